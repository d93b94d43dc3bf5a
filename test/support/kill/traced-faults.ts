/** Uploads to a server whose system calls fail, one after the other, in one process. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ErrorCode } from '../../../src/base/errors.ts';
import { writeErrorOf } from '../../../src/storage/local/uploads/disk/write-error.ts';
import type { Answered } from '../peers/raw-client.ts';
import {
  goOnElsewhere,
  nameOf,
  recordRun,
  runWithFault,
  type Scenario,
  type Step,
  type Threads,
  TracedScene,
  threadsOf,
} from './traced-upload.ts';

const WRITE_ERRNOS = ['EIO', 'ENOSPC', 'EFBIG', 'EROFS', 'EDQUOT'];

/** What each call may fail with; a close that is kept from happening would leak. */
const ERRNOS: Readonly<Record<string, readonly string[]>> = {
  openat: ['EIO', 'EMFILE', 'ENOSPC', 'EROFS', 'EDQUOT'],
  pwrite64: WRITE_ERRNOS,
  fdatasync: ['EIO', 'ENOSPC', 'EDQUOT'],
  fsync: ['EIO', 'ENOSPC', 'EDQUOT'],
  ftruncate: ['EIO', 'EROFS'],
  mkdir: ['EIO', 'ENOSPC', 'EROFS', 'EDQUOT'],
  rename: ['EIO', 'ENOSPC', 'EROFS', 'EDQUOT'],
  link: ['EIO', 'ENOSPC', 'EROFS', 'EDQUOT'],
  unlink: ['EIO', 'EROFS'],
};
/** A directory that is only looked at needs no room. */
const LOOKING_ERRNOS = ['EIO', 'EMFILE'];

/** A step that fails once, or from then on. */
export interface FaultCase {
  readonly step: Step;
  readonly errno: string;
  /** As strace takes it: mostly the errno; a call may also do nothing and say so. */
  readonly fault: string;
  readonly isLasting: boolean;
}

export function nameOfCase({ step, errno, fault, isLasting }: FaultCase): string {
  const what = fault === NOTHING_TAKEN ? 'nothing taken' : errno;
  return `${what}${isLasting ? ' from here on' : ''} at ${nameOf(step)}`;
}

/** A write that takes no byte would be tried again for ever, were it not made an EIO. */
const NOTHING_TAKEN = 'retval=0';

export class FaultBench {
  readonly #t: TestContext;
  readonly #scenario: Scenario;
  #scene!: TracedScene;
  #threads!: Threads;
  #count = 0;

  private constructor(t: TestContext, scenario: Scenario) {
    this.#t = t;
    this.#scenario = scenario;
  }

  /** A bench with a server that runs, and the cases to try on it. */
  static async create(
    t: TestContext,
    scenario: Scenario,
  ): Promise<{ bench: FaultBench; cases: FaultCase[] }> {
    const bench = new FaultBench(t, scenario);
    await bench.#restart();
    bench.#beginAnew();
    return { bench, cases: casesOf(await recordRun(t, bench.#scene, bench.#threads)) };
  }

  /** False when the step was never reached. */
  async try(t: TestContext, at: FaultCase): Promise<boolean> {
    try {
      return await this.#try(t, at);
    } catch (reason) {
      // The next case begins with nothing of this one.
      await this.end();
      await this.#restart();
      throw reason;
    }
  }

  async #try(t: TestContext, { step, errno, fault, isLasting }: FaultCase): Promise<boolean> {
    const scene = this.#scene;
    this.#beginAnew();
    const lasting = { ...step, when: `${step.when}+` };
    const { end, isMet } = await runWithFault(t, scene, this.#threads, isLasting ? lasting : step, fault);
    assert(!scene.server.hasExited, 'the server has survived');
    if (end.status !== 'OK') assertDocumented(end, step, errno);
    scene.assertNotTorn();
    if (!isChunk(step)) await this.#assertForgotten();
    const isNamed = end.status !== 'OK' && scene.isThere();
    if (isNamed) await this.#assertNotForgiven();
    // A second name of the published file stays until a sweep.
    const leavesPart = step.call === 'unlink' && scene.journey.file !== undefined;
    if (isNamed || leavesPart) await this.#goOnElsewhere();
    else await scene.complete(scene.client);
    return isMet;
  }

  async end(): Promise<void> {
    await this.#scene.server.end('SIGKILL');
  }

  /** What failed is not counted as committed, however often it is synced. */
  async #assertForgotten(): Promise<void> {
    const { journey, client } = this.#scene;
    if (journey.uploadId === '' || journey.file !== undefined) return;
    const before = journey.committed;
    const asked = await client.unary('GetUploadStatus', { uploadId: journey.uploadId, sync: true });
    if (asked.status === 'OK') assert.equal(Number(asked.answer?.committedSize), before);
  }

  /** A name that may not be durable: this process would only ask the kernel again what it has forgotten. */
  async #assertNotForgiven(): Promise<void> {
    const again = await this.#scene.journey.finish(this.#scene.client);
    assert.notEqual(again.status, 'OK', 'a sync that failed counted as success the second time');
  }

  async #goOnElsewhere(): Promise<void> {
    await this.end();
    await goOnElsewhere(this.#t, this.#scene);
    await this.#restart();
  }

  async #restart(): Promise<void> {
    this.#scene = await TracedScene.create(this.#t, this.#scenario);
    this.#threads = await threadsOf(this.#t, this.#scene);
    // The first upload makes the directory of uploads, and opens it for all others.
    const end = await this.#scene.run();
    assert.equal(end.status, 'OK', end.details);
  }

  #beginAnew(): void {
    this.#count += 1;
    this.#scene.beginAnew(`new-${this.#count}/directory/file`);
  }
}

function casesOf(steps: readonly Step[]): FaultCase[] {
  return steps.flatMap((step) => {
    const isLookedAt = step.call === 'openat' && !step.target.includes('*');
    const errnos = isLookedAt ? LOOKING_ERRNOS : (ERRNOS[step.call] ?? []);
    const cases = errnos.map((errno) => ({ step, errno, fault: `error=${errno}`, isLasting: false }));
    if (errnos.includes('EIO')) cases.push({ step, errno: 'EIO', fault: 'error=EIO', isLasting: true });
    if (step.call === 'pwrite64') cases.push({ step, errno: 'EIO', fault: NOTHING_TAKEN, isLasting: true });
    return cases;
  });
}

/** The write of one: those before it in its call are kept. */
function isChunk({ call, target }: Step): boolean {
  return call === 'pwrite64' && target.endsWith('.part');
}

function assertDocumented({ code, details }: Answered, { call, target }: Step, errno: string): void {
  const codes: ErrorCode[] = [writeErrorOf(errno, '').code];
  // On the way to a directory nothing is written.
  if (call === 'openat' && !target.includes('*') && errno === 'EIO') codes.push('DATA_LOSS');
  assert(codes.includes(code as ErrorCode), `${code}: ${details}`);
}
