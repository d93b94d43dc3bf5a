/** Packs of a process that is killed at random moments: what it acknowledged is there, and every file is one of them, whole. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { writePack } from '../../storage/local/uploads/packs/pack-of.ts';
import { openUploads, uploadEntries, visibleFiles } from '../../storage/local/uploads/scratch-uploads.ts';
import { scratchRoot } from '../scratch.ts';
import { Random, seedOf } from '../seed.ts';

/** The names of all packs are the same, so that files are replaced as well. */
const NAMES = 90;

export interface PackedContent {
  readonly name: string;
  readonly content: Buffer;
}

/** The files of a pack, small enough for fsyncs or so many that they are synced together; each says of which pack it is. */
export function packOf(number: number): PackedContent[] {
  const random = new Random(number + 1);
  const count = random.next() < 0.3 ? random.between(1, 5) : random.between(16, 40);
  const first = random.between(0, NAMES);
  return Array.from({ length: count }, (_, at) => {
    const index = (first + at) % NAMES;
    return { name: `${index % 4}/${index % 7}/file-${index}`, content: contentOf(number, index) };
  });
}

function contentOf(pack: number, index: number): Buffer {
  return Buffer.from(`${pack}:${'x'.repeat((pack * 7919 + index * 104_729) % 1200)}:${index}\n`);
}

/** Kills the process `kills` times. */
export async function packsWhileKilled(t: TestContext, kills: number): Promise<void> {
  const random = new Random(seedOf(t));
  const root = scratchRoot(t);
  const acknowledged = new Map<string, number>();
  let next = 0;
  let packs = 0;
  for (let killed = 0; killed < kills; killed += 1) {
    const numbers = await oneLife(root, next, random.between(1, 400));
    packs += numbers.length;
    note(numbers, acknowledged);
    // Each life has numbers of its own, above those of all before.
    next += 100_000;
    assertFiles(visibleFiles(root), acknowledged);
  }
  const uploads = await openUploads(t, root);
  await writePack(uploads, { last: '' });
  assert.deepEqual(uploadEntries(root), [], 'the next start removes what was left');
  assert.ok(packs > 0, 'some packs were acknowledged');
  t.diagnostic(`${packs} packs were acknowledged`);
}

/** The packs that a process acknowledges until it is killed, some time behind its first. */
async function oneLife(root: string, first: number, lifeMs: number): Promise<number[]> {
  const writer = new PackWriterProcess(root, first);
  await writer.begun();
  await delay(lifeMs);
  await writer.kill();
  return writer.acknowledged();
}

/** A process that writes packs from number `first` on, until it is killed. */
export class PackWriterProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;
  readonly #first: Promise<unknown>;
  #output = '';

  constructor(root: string, first: number, sync = 'batched') {
    const file = fileURLToPath(new URL('./pack-child.js', import.meta.url));
    const child = spawn(process.execPath, [file, root, String(first), sync], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#child = child;
    this.#exited = once(child, 'exit');
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.#first = once(child.stdout, 'data');
  }

  /** Resolves when the first pack is acknowledged, or the process is gone. */
  async begun(): Promise<void> {
    await Promise.race([this.#first, this.#exited]);
  }

  /** Of which this process knows by now. A line that is cut says nothing. */
  acknowledged(): number[] {
    return this.#output.split('\n').slice(0, -1).map(Number);
  }

  /** Throws when it had ended before. */
  async kill(): Promise<void> {
    assert.equal(this.#child.exitCode, null, 'it lived until it was killed');
    await this.end();
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}

/** The last pack that each name was acknowledged in. */
export function note(numbers: readonly number[], acknowledged: Map<string, number>): void {
  for (const number of numbers)
    for (const { name } of packOf(number))
      acknowledged.set(name, Math.max(number, acknowledged.get(name) ?? 0));
}

/** Packs that have a name in common take turns, but are not acknowledged in that order: the last one may be any that came later. */
export function assertFiles(
  visible: Record<string, string>,
  acknowledged: ReadonlyMap<string, number>,
): void {
  for (const name of acknowledged.keys()) assert.ok(name in visible, `${name} is lost`);
  for (const [name, content] of Object.entries(visible)) {
    const pack = Number.parseInt(content, 10);
    const sent = packOf(pack).find((file) => file.name === name);
    assert.ok(sent?.content.equals(Buffer.from(content, 'latin1')), `${name} is torn: ${content}`);
    const life = Math.floor((acknowledged.get(name) ?? 0) / 100_000);
    assert.ok(Math.floor(pack / 100_000) >= life, `${name} is of an earlier life than the one acknowledged`);
  }
}
