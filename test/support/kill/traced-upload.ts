/**
 * Uploads to a server under strace: killed at a system call, or with one that
 * fails. Everything but the traced server is as a client sees it.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { assertBytes } from '../content.ts';
import { type Answered, RawClient } from '../peers/raw-client.ts';
import { scratchRoot } from '../scratch.ts';
import { ServerProcess } from '../server-process.ts';
import { type Settings, startServer, testConfig } from '../test-server.ts';
import { until } from '../until.ts';
import { UploadJourney } from '../upload-journey.ts';
import { Strace } from './strace.ts';

/** One thread of each kind, and commits at the end of each call alone: so that calls come in one order. */
const SETTINGS: Settings = {
  writable: true,
  pool: { threads: 1 },
  uploads: { sync: 'batched', syncInterval: 3_600_000, minFree: 0 },
};
const ONE_THREAD = { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' };
const WARM_UP = 'warm-up';
const OLD_CONTENT = 'what was there before';

/** What is traced, from where nothing has begun. */
export interface Scenario {
  readonly title: string;
  readonly overwrite: 'OVERWRITE_NEVER' | 'OVERWRITE_ALWAYS';
  /** Its uploads are to be aborted when all is sent, not finished. */
  readonly aborts: boolean;
}

export const NEW_FILE: Scenario = { title: 'a new file', overwrite: 'OVERWRITE_NEVER', aborts: false };

export const SCENARIOS: readonly Scenario[] = [
  NEW_FILE,
  { title: 'a file that replaces another', overwrite: 'OVERWRITE_ALWAYS', aborts: false },
  { title: 'an abort', overwrite: 'OVERWRITE_NEVER', aborts: true },
];

/** A server process of its own, and one upload to it. */
export class TracedScene {
  readonly root: string;
  journey: UploadJourney;
  readonly server: ServerProcess;
  readonly client: RawClient;
  readonly #scenario: Scenario;

  private constructor(scenario: Scenario, root: string, server: ServerProcess, client: RawClient) {
    this.#scenario = scenario;
    this.root = root;
    this.server = server;
    this.client = client;
    this.journey = this.beginAnew('new/directory/file');
  }

  /** Another upload, in directories of its own. */
  beginAnew(name: string): UploadJourney {
    this.journey = new UploadJourney({ name, overwrite: this.#scenario.overwrite });
    if (this.#scenario.overwrite === 'OVERWRITE_ALWAYS') this.#writeOld();
    return this.journey;
  }

  static async create(t: TestContext, scenario: Scenario, root = scratchRoot(t)): Promise<TracedScene> {
    writeFileSync(join(root, WARM_UP), 'warm up');
    const server = await ServerProcess.start(t, testConfig(root, SETTINGS), ONE_THREAD);
    const client = new RawClient(server.address);
    t.after(() => client.close());
    return new TracedScene(scenario, root, server, client);
  }

  /** All of it; the first call that fails ends it. */
  async run(): Promise<Answered> {
    if (!this.#scenario.aborts) return await this.journey.run(this.client);
    const sent = await this.journey.sendAll(this.client);
    if (sent.status !== 'OK') return sent;
    return await this.client.unary('AbortUpload', { uploadId: this.journey.uploadId });
  }

  /** Ends it as the scenario wants, whatever has happened before. */
  async complete(client: RawClient): Promise<void> {
    const { journey } = this;
    if (this.#scenario.aborts) {
      const aborted = await client.unary('AbortUpload', { uploadId: journey.uploadId });
      assert.equal(aborted.status, 'OK', aborted.details);
      assert.equal(
        (await client.unary('GetUploadStatus', { uploadId: journey.uploadId })).status,
        'NOT_FOUND',
      );
      assert.equal(readOrUndefined(this.path), undefined);
      await this.#assertNothingLeft([]);
      return;
    }
    const end = await journey.run(client);
    assert.equal(end.status, 'OK', end.details);
    const again = await journey.finish(client);
    assert.equal(again.status, 'OK', again.details);
    this.assertWhole();
    await this.#assertNothingLeft([`${journey.uploadId}.journal`]);
  }

  /** But for an upload whose start was not answered: nobody knows it, and it expires. A sweep may be under way. */
  async #assertNothingLeft(but: readonly string[]): Promise<void> {
    const directory = join(this.root, '.sluice-uploads');
    const entries = () => (existsSync(directory) ? readdirSync(directory) : []);
    const left = () => entries().filter((entry) => this.#isOfJourney(entry));
    await until('nothing else is left', () => isDeepStrictEqual(left(), but), { state: left });
    const others = entries().filter((entry) => entry.endsWith('.part') && !this.#isOfJourney(entry));
    for (const entry of others) assert.equal(statSync(join(directory, entry)).size, 0);
  }

  #isOfJourney(entry: string): boolean {
    return this.journey.uploadId !== '' && entry.startsWith(this.journey.uploadId);
  }

  /** The new file. */
  isThere(): boolean {
    return readOrUndefined(this.path)?.equals(Buffer.from(OLD_CONTENT)) === false;
  }

  get path(): string {
    return join(this.root, this.journey.name);
  }

  /** Nothing but what was there, or the whole file. */
  assertNotTorn(): void {
    const found = readOrUndefined(this.path);
    if (found === undefined || found.equals(Buffer.from(OLD_CONTENT))) {
      assert.equal(this.journey.file, undefined, 'what is finished is there');
    } else {
      this.assertWhole();
    }
  }

  assertWhole(): void {
    const found = readFileSync(this.path);
    assert.equal(found.length, this.journey.content.size);
    assertBytes(found, this.journey.content, 0);
  }

  #writeOld(): void {
    if (existsSync(this.path)) return;
    mkdirSync(join(this.path, '..'), { recursive: true });
    writeFileSync(this.path, OLD_CONTENT);
  }
}

/** The threads that touch files: libuv's one, and the one worker. */
export type Role = 'pool' | 'worker';

/** A call of the scenario, as `when=` for its thread. */
export interface Step {
  readonly role: Role;
  readonly call: string;
  /** As strace takes it: `3`, or `3+` for that one and all that follow. */
  readonly when: number | string;
  readonly target: string;
}

/** The number of each thread. */
export type Threads = Readonly<Record<Role, number>>;

export function nameOf({ call, target, when }: Step): string {
  return `${call} ${when} (${target})`;
}

/** The calls of the scenario when nothing goes wrong, in order. */
export async function recordSteps(t: TestContext, scenario: Scenario): Promise<Step[]> {
  const scene = await TracedScene.create(t, scenario);
  const steps = await recordRun(t, scene, await threadsOf(t, scene));
  await scene.server.end('SIGKILL');
  return steps;
}

/** What the scene's journey is made of; it is run. */
export async function recordRun(t: TestContext, scene: TracedScene, threads: Threads): Promise<Step[]> {
  const strace = await Strace.record(t, scene.server.pid);
  const end = await scene.run();
  const calls = await strace.detach();
  assert.equal(end.status, 'OK', end.details);
  return calls.flatMap(({ thread, call, when, target }) => {
    const role = threads.pool === thread ? 'pool' : threads.worker === thread ? 'worker' : undefined;
    return role === undefined || call.startsWith('pread') ? [] : [{ role, call, when, target }];
  });
}

/** A download shows them: the one opens the file, the other reads it. */
export async function threadsOf(t: TestContext, scene: TracedScene): Promise<Threads> {
  const strace = await Strace.record(t, scene.server.pid);
  const { status, details } = await scene.client.fetch({ fileName: WARM_UP });
  assert.equal(status, 'OK', details);
  const calls = await strace.detach();
  const threadOf = (pattern: RegExp) => {
    const found = calls.find(({ call, target }) => pattern.test(call) && target.endsWith(WARM_UP));
    assert(found !== undefined, `no thread was seen to call ${pattern}`);
    return found.thread;
  };
  return { pool: threadOf(/^openat$/), worker: threadOf(/^pread/) };
}

/** Runs the scene's journey with a fault at one step; tells how it ended, and whether the step was reached. */
export async function runWithFault(
  t: TestContext,
  scene: TracedScene,
  threads: Threads,
  step: Step,
  fault: string,
): Promise<{ end: Answered; isMet: boolean }> {
  const strace = await Strace.inject(t, threads[step.role], step.call, `${fault}:when=${step.when}`);
  const end = await scene.run();
  const calls = await strace.detach();
  return { end, isMet: scene.server.hasExited || calls.some(({ wasTampered }) => wasTampered) };
}

/**
 * Kills a server at one step, and goes on at another server: what was acknowledged is there, the file whole or
 * absent, and the upload ends as it should. False when the step was never reached.
 */
export async function killAt(t: TestContext, scenario: Scenario, step: Step): Promise<boolean> {
  const scene = await TracedScene.create(t, scenario);
  const { end, isMet } = await runWithFault(t, scene, await threadsOf(t, scene), step, 'signal=KILL');
  if (end.status !== 'OK') assert.equal(end.status, 'UNAVAILABLE', end.details);
  await scene.server.end('SIGKILL');
  scene.assertNotTorn();
  await goOnElsewhere(t, scene);
  return isMet;
}

/** What a second server does with what a server killed at `first` left behind, in order. */
export async function recordRecovery(t: TestContext, scenario: Scenario, first: Step): Promise<Step[]> {
  const scene = await killedScene(t, scenario, first);
  const steps = await recordRun(t, scene, await threadsOf(t, scene));
  await scene.server.end('SIGKILL');
  return steps;
}

/** As `killAt`, with the second server killed at one of its steps as well. */
export async function killTwice(
  t: TestContext,
  scenario: Scenario,
  first: Step,
  second: Step,
): Promise<boolean> {
  const scene = await killedScene(t, scenario, first);
  const { end, isMet } = await runWithFault(t, scene, await threadsOf(t, scene), second, 'signal=KILL');
  if (end.status !== 'OK') assert.equal(end.status, 'UNAVAILABLE', end.details);
  await scene.server.end('SIGKILL');
  scene.assertNotTorn();
  await goOnElsewhere(t, scene);
  return isMet;
}

/** The same upload at a second server. */
async function killedScene(t: TestContext, scenario: Scenario, step: Step): Promise<TracedScene> {
  const first = await TracedScene.create(t, scenario);
  await runWithFault(t, first, await threadsOf(t, first), step, 'signal=KILL');
  await first.server.end('SIGKILL');
  const second = await TracedScene.create(t, scenario, first.root);
  second.journey = first.journey;
  return second;
}

/** At a server that is started on what the last one left, which is gone. */
export async function goOnElsewhere(t: TestContext, scene: TracedScene): Promise<void> {
  for (const _start of ['first', 'second']) {
    const later = await startServer(t, SETTINGS, { root: scene.root });
    await scene.complete(later.client());
    await later.server.stop(0);
  }
}

function readOrUndefined(path: string): Buffer | undefined {
  return existsSync(path) ? readFileSync(path) : undefined;
}
