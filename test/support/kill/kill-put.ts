/** Uploads by a command line that is killed at random moments, for as many kills as asked for. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Child } from '../../../src/cli/process/child.ts';
import { assertBytes, type Content, joined, lines, noise, writeContent } from '../content.ts';
import { RawClient } from '../peers/raw-client.ts';
import { uploadStatus } from '../peers/raw-upload.ts';
import { scratchDirectory, scratchRoot } from '../scratch.ts';
import { Random, seedOf } from '../seed.ts';
import { ServerProcess } from '../server-process.ts';
import { MAIN } from '../sluice-process.ts';
import { startChild } from '../start-child.ts';
import { MIB, type Settings, testConfig } from '../test-server.ts';
import { within } from '../until.ts';

/** Below the user's state directory. */
const RECORDS = 'sluice/uploads';
const RUN_LIMIT_MS = 120_000;
const MAX_KILLS_PER_FILE = 6;

/** Commits often, so that a killed run leaves something to resume. */
const SETTINGS: Settings = {
  writable: true,
  uploads: { sync: 'batched', syncBytes: MIB, syncInterval: 10, minFree: 0 },
};

/** What `put --json` says of a file it has sent. */
interface Done {
  bytes: number;
  resumedBytes: number;
}

/** Puts file after file until the command was killed `kills` times; every file must be right, and nothing be left. */
export async function putsWhileKilled(t: TestContext, kills: number): Promise<void> {
  const random = new Random(seedOf(t));
  const root = scratchRoot(t);
  const server = await ServerProcess.start(t, testConfig(root, SETTINGS));
  const client = new RawClient(server.address);
  t.after(() => client.close());
  const putter = new Putter(t, server.address);
  let killed = 0;
  let resumedBytes = 0;
  for (let file = 0; killed < kills; file++) {
    // Compressed on the way by the slowest means, so that a kill meets a transfer.
    const content = joined(lines(random.between(4, 12) * MIB), noise(file, random.between(1, 4 * MIB)));
    const name = `file-${file}`;
    const runs = Math.min(random.between(1, MAX_KILLS_PER_FILE), kills - killed);
    putter.source(name, content);
    killed += await putter.killedRuns(name, runs, random, () => assertWholeOrAbsent(root, name, content));
    const left = await durableBytes(client, putter.uploadId());
    const done = await putter.lastRun(name);
    assert(done.resumedBytes >= left, `${done.resumedBytes} of ${left} durable bytes were taken over`);
    resumedBytes += done.resumedBytes;
    assertBytes(readFileSync(join(root, name)), content, 0, name);
    assert.equal(statSync(join(root, name)).size, content.size);
    rmSync(join(root, name));
  }
  assert.deepEqual(putter.records(), [], 'a finished upload leaves no record');
  assert.deepEqual(partsWithBytes(root), [], 'a finished upload leaves no part');
  t.diagnostic(`the client was killed ${killed} times; later runs took over ${resumedBytes} bytes`);
}

/** The command line of one user. */
class Putter {
  readonly #t: TestContext;
  readonly #address: string;
  readonly #directory: string;

  constructor(t: TestContext, address: string) {
    this.#t = t;
    this.#address = address;
    this.#directory = scratchDirectory(t);
  }

  source(name: string, content: Content): void {
    writeContent(join(this.#directory, name), content);
  }

  /** What a later run would resume. Drafts that a kill left beside them are swept after a day. */
  records(): string[] {
    const directory = join(this.#directory, RECORDS);
    return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.json')) : [];
  }

  /** The upload that a later run would go on with. */
  uploadId(): string | undefined {
    const record = this.records().find((entry) => entry.endsWith('.json'));
    if (record === undefined) return undefined;
    const text = readFileSync(join(this.#directory, RECORDS, record), 'utf8');
    return (JSON.parse(text) as { uploadId: string }).uploadId;
  }

  /** Runs it `runs` times, killed each time, or until it is done. Resolves with the number of kills. */
  async killedRuns(name: string, runs: number, random: Random, check: () => void): Promise<number> {
    let killed = 0;
    while (killed < runs) {
      const child = this.#spawn(name);
      // A third dies wherever it is; the others once there is something to resume.
      if (random.next() < 0.66) {
        while (this.records().length === 0 && !child.hasEnded) await pause(2);
      }
      await pause(random.between(0, 250));
      await within('the client ends', child.end(), RUN_LIMIT_MS);
      check();
      const { exitCode, signalCode } = child.process;
      if (signalCode !== 'SIGKILL') {
        assert.equal(exitCode, 0);
        return killed;
      }
      killed += 1;
    }
    return killed;
  }

  async lastRun(name: string): Promise<Done> {
    const child = this.#spawn(name);
    const code = await within('the client ends', child.ended, RUN_LIMIT_MS);
    assert.equal(code, 0, `put ended with ${code}: ${child.stdout}`);
    const done = child.stdout.split('\n').find((line) => line.includes('"event":"done"'));
    return JSON.parse(done ?? '{}') as Done;
  }

  #spawn(name: string): Child {
    const args = ['put', '--json', '--compression', 'always', name, `${this.#address}/${name}`];
    return startChild(this.#t, process.execPath, [MAIN, ...args], {
      cwd: this.#directory,
      env: { ...process.env, XDG_STATE_HOME: this.#directory },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
}

async function durableBytes(client: RawClient, uploadId: string | undefined): Promise<number> {
  const status = uploadId === undefined ? undefined : await uploadStatus(client, uploadId);
  return (status?.parts ?? []).reduce((sum, { start, end }) => sum + end - start, 0);
}

function assertWholeOrAbsent(root: string, name: string, content: Content): void {
  const path = join(root, name);
  if (!existsSync(path)) return;
  const bytes = readFileSync(path);
  assert.equal(bytes.length, content.size, `${name} is there before it is whole`);
  assertBytes(bytes, content, 0, name);
}

/** A kill between the server's answer to a start and the record of it leaves an empty upload, which expires. */
function partsWithBytes(root: string): string[] {
  const directory = join(root, '.sluice-uploads');
  const parts = readdirSync(directory).filter((entry) => entry.endsWith('.part'));
  return parts.filter((entry) => statSync(join(directory, entry)).size > 0);
}

/** When a kill comes is what these tests vary; nothing is waited for. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
