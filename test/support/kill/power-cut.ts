/**
 * Uploads to a disk whose power is cut: ext4 in an image file, shut down without
 * a last word to its journal, then mounted again. What only the memory of the
 * machine held is gone, as it would be.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanUpAfter } from '../clean-up.ts';
import { assertBytes, noise } from '../content.ts';
import { RawClient } from '../peers/raw-client.ts';
import type { Random } from '../seed.ts';
import { ServerProcess } from '../server-process.ts';
import { KIB, MIB, type Settings, startServer, testConfig } from '../test-server.ts';
import { UploadJourney } from '../upload-journey.ts';
import type { Forgotten } from './forgetful-disk.ts';
import { cannotMount, run } from './mounted.ts';

const IMAGE_BYTES = 96 * MIB;
const SETTINGS: Settings = { writable: true, uploads: { minFree: 0, syncInterval: 20 } };
const FORGETFUL_DISK = new URL('./forgetful-disk.js', import.meta.url).href;

/** Why the power cannot be cut here; false when it can. */
export function cannotCutPower(t: { after(hook: () => void): void }): string | false {
  const problem = cannotMount();
  if (problem !== false) return problem;
  const isMissing = (program: string) => spawnSync(program, ['-V']).error !== undefined;
  const missing = ['mkfs.ext4', 'xfs_io'].filter(isMissing);
  if (missing.length > 0) return `this machine has no ${missing.join(' and no ')}`;
  try {
    const disk = new Disk(t);
    disk.cut();
    disk.mount();
    disk.remove();
    return false;
  } catch (reason) {
    return `no disk can be cut off here: ${(reason as Error).message.trim()}`;
  }
}

/** A disk of its own, mounted. */
export class Disk {
  readonly root: string;
  readonly remove: () => void;
  readonly #directory = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  readonly #image = join(this.#directory, 'image');
  readonly #mounted = join(this.#directory, 'mounted');

  constructor(t: { after(hook: () => void): void }) {
    this.remove = cleanUpAfter(t, () => {
      // Lazily, where a failed test has left files open.
      spawnSync('umount', ['-l', this.#mounted]);
      rmSync(this.#directory, { recursive: true, force: true });
    });
    mkdirSync(this.#mounted);
    run('truncate', '-s', String(IMAGE_BYTES), this.#image);
    run('mkfs.ext4', '-q', '-F', this.#image);
    this.mount();
    this.root = join(this.#mounted, 'root');
    mkdirSync(this.root);
    run('sync', '-f', this.root);
  }

  mount(): void {
    run('mount', '-o', 'loop', this.#image, this.#mounted);
  }

  /** From here on nothing reaches the disk, and every call says EIO. */
  shutDown(): void {
    run('xfs_io', '-x', '-c', 'shutdown', this.#mounted);
  }

  unmount(): void {
    run('umount', this.#mounted);
  }

  cut(): void {
    this.shutDown();
    this.unmount();
  }
}

/** What of a file is acknowledged. */
type Deed = 'finish' | 'delete';

/** What a client was told of a file until the power was cut. */
interface Promised {
  readonly uploadId: string;
  readonly committed: number;
  readonly file: unknown;
  readonly isDeleted: boolean;
}

/** One file that a client makes, and may take away again. */
class Life {
  readonly #journey: UploadJourney;
  #isDeleteAsked = false;
  #isDeleted = false;
  #promised: Promised | undefined;

  constructor(name: string, random: Random) {
    const content = noise(random.between(0, 1e6), random.between(1, 1.5 * MIB));
    this.#journey = new UploadJourney({ name, content, pieceBytes: random.between(64, 512) * KIB });
  }

  /** False when something of it failed. */
  async live(client: RawClient, isDeleted: boolean, onAcknowledged: (what: Deed) => void): Promise<boolean> {
    if ((await this.#journey.run(client)).status !== 'OK') return false;
    onAcknowledged('finish');
    if (!isDeleted) return true;
    this.#isDeleteAsked = true;
    if ((await client.unary('DeleteFile', { fileName: this.#journey.name })).status !== 'OK') return false;
    this.#isDeleted = true;
    onAcknowledged('delete');
    return true;
  }

  /**
   * Nothing counts that is answered from here on: a kernel whose disk is shut down may call a sync that was
   * under way a success, which a machine without power cannot.
   */
  freeze(): void {
    const { uploadId, committed, file } = this.#journey;
    this.#promised ??= { uploadId, committed, file, isDeleted: this.#isDeleted };
  }

  /** What was promised holds after the cut, and the rest can be done. */
  async check(client: RawClient, root: string): Promise<void> {
    const { name } = this.#journey;
    // A life that began behind the cut was promised nothing.
    if (this.#promised === undefined) return;
    const { isDeleted, ...promised } = this.#promised;
    const isThere = existsSync(join(root, name));
    if (isDeleted) assert(!isThere, `${name} was deleted, and is back`);
    if (isThere) this.#assertWhole(root);
    if (this.#isDeleteAsked) return;
    if (promised.file !== undefined) assert(isThere, `${name} was finished, and is gone`);
    const journey = this.#journey.resumed(promised);
    const end = await journey.run(client);
    assert.equal(end.status, 'OK', `${name}: ${end.details}`);
    this.#assertWhole(root);
  }

  #assertWhole(root: string): void {
    const { name, content } = this.#journey;
    const found = readFileSync(join(root, name));
    assert.equal(found.length, content.size, `${name} is not whole`);
    assertBytes(found, content, 0, name);
  }
}

/** How the power is cut. */
export interface Cut {
  readonly clients: number;
  /** At once when so many of these were acknowledged; before, when that takes too long. */
  readonly behind: { readonly what: Deed; readonly count: number };
  readonly limitMs: number;
  /** What the server does not sync. */
  readonly forgets?: Forgotten;
}

/** At any moment; half of the time at the one with most to lose. */
export function anyCut(random: Random): Cut {
  const what = random.pick(['finish', 'delete'] as const);
  return { clients: 3, behind: { what, count: random.between(1, 6) }, limitMs: random.between(50, 1000) };
}

/** Uploads until the power is cut; rejects when that lost what was promised. Resolves with the number of files. */
export async function uploadsThroughPowerCut(t: TestContext, random: Random, how: Cut): Promise<number> {
  const disk = new Disk(t);
  const server = await ServerProcess.start(t, testConfig(disk.root, SETTINGS), forgetting(how.forgets));
  const client = new RawClient(server.address);
  t.after(() => client.close());
  const lives: Life[] = [];
  let left = how.behind.count;
  let isCut = false;
  const cut = () => {
    if (isCut) return;
    isCut = true;
    for (const life of lives) life.freeze();
    disk.shutDown();
  };
  const onAcknowledged = (what: Deed) => {
    if (what === how.behind.what && --left === 0) cut();
  };
  const timer = setTimeout(cut, how.limitMs);
  const clients = Array.from({ length: how.clients }, async (_, number) => {
    for (let isGood = true, file = 0; isGood; file++) {
      const life = new Life(`client-${number}/directory-${file % 3}/file-${file}`, random);
      lives.push(life);
      isGood = await life.live(client, random.next() < 0.5, onAcknowledged);
    }
  });
  await Promise.all(clients);
  clearTimeout(timer);
  await server.end('SIGKILL');
  assert(isCut, 'a client met an error before the power was cut');
  disk.unmount();
  disk.mount();
  await checkAfterwards(t, disk, lives);
  return lives.length;
}

async function checkAfterwards(t: TestContext, disk: Disk, lives: readonly Life[]): Promise<void> {
  const server = await startServer(t, SETTINGS, { root: disk.root });
  const client = server.client();
  try {
    for (const life of lives) await life.check(client, disk.root);
  } finally {
    await server.server.stop(0);
    disk.remove();
  }
}

function forgetting(forgets: Forgotten | undefined): NodeJS.ProcessEnv {
  return forgets === undefined
    ? {}
    : { NODE_OPTIONS: `--import=${FORGETFUL_DISK}`, SLUICE_TEST_FORGETS: forgets };
}
