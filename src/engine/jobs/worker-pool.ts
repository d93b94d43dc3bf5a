/**
 * The threads. The only file that knows piscina.
 *
 * Invariant: when `fill` ends in `WorkerDied`, `untouched` resolves only after
 * the thread that worked in the slab has exited; until then the slab may still
 * be written to (a thread blocked in a read finishes it after its task failed).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { Counters } from '../../base/counters/counters.ts';
import { TransferError } from '../../base/errors.ts';
import type { EntryStats, FailedCall } from '../../base/files/entry-stats.ts';
import type { Logger } from '../../base/logger.ts';
import type { SlabPool } from '../slabs/slab-pool.ts';
import type {
  Drained,
  DrainJob,
  FillJob,
  FillResult,
  ListAnswer,
  ListJob,
  PackAnswer,
  PackJob,
  PoolAnswer,
  PoolTask,
  WorkerSetup,
} from './job.ts';
import { workerFile } from './worker-file.ts';

/** A bad worker file makes tasks hang for ever; this says so at start instead. */
const START_TIMEOUT_MS = 10_000;

/** Jobs leave little garbage; V8's default lets it grow to 48 MiB in each thread (bench flat-memory). */
const WORKER_YOUNG_GENERATION_MIB = 3;

/** Delay before a thread is replaced, so that a worker file that cannot start does not busy the machine. */
const REPLACE_DELAY_MS = 100;

/** How long `stop` waits for jobs, and then for threads. */
const STOP_TIMEOUT_MS = 5_000;

const CRASH_LOOK_MS = 1;

/** The thread died under the job; the job can be posted again in another slab. */
export class WorkerDied extends Error {
  override readonly name = 'WorkerDied';
  /** Resolves when the dead job's slab is certainly not touched any more. */
  readonly untouched: Promise<void>;

  constructor(untouched: Promise<void>, cause: unknown) {
    super('a worker thread died', { cause });
    this.untouched = untouched;
  }
}

function stopTimeout(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, STOP_TIMEOUT_MS).unref());
}

export interface WorkerPoolOptions {
  threads: number;
  niceness: number;
  slabs: SlabPool;
  logger: Logger;
  /** Default: some that nobody reads. */
  counters?: Counters;
}

export class WorkerPool {
  readonly threads: number;
  readonly #piscina: Piscina<PoolTask, PoolAnswer>;
  readonly #slabs: SlabPool;
  readonly #counters: Counters;
  /** Every thread that ever ran, by id, until it has exited. */
  readonly #exits = new Map<number, Promise<void>>();
  readonly #known = new WeakSet<Worker>();
  readonly #unanswered = new Set<Promise<PoolAnswer>>();
  #deaths = 0;
  #isStopping = false;

  constructor(options: WorkerPoolOptions) {
    this.threads = options.threads;
    this.#slabs = options.slabs;
    this.#counters = options.counters ?? new Counters();
    const setup: WorkerSetup = {
      memory: options.slabs.memory,
      control: options.slabs.control,
      strideBytes: options.slabs.strideBytes,
      niceness: options.niceness,
    };
    this.#piscina = new Piscina<PoolTask, PoolAnswer>({
      filename: workerFile('main'),
      minThreads: options.threads,
      maxThreads: options.threads,
      concurrentTasksPerWorker: 1,
      stricterFIFO: true,
      atomics: 'sync',
      resourceLimits: { maxYoungGenerationSizeMb: WORKER_YOUNG_GENERATION_MIB },
      workerData: setup,
    });
    this.#piscina.on('error', (error: unknown) =>
      options.logger.error({ err: error }, 'worker thread failed'),
    );
    this.#piscina.on('workerCreate', () => this.#watchThreads());
    this.#piscina.on('workerDestroy', () => this.#replaceLater());
    this.#watchThreads();
  }

  /** Threads that run now: one that died is replaced a moment later. */
  get alive(): number {
    return this.#piscina.threads.length;
  }

  /** Resolves once every thread could answer; throws INTERNAL when they do not. */
  async start(): Promise<void> {
    const pings = Array.from({ length: this.threads }, () => this.#piscina.run('ping'));
    const timedOut = new Promise<never>((_resolve, reject) => {
      setTimeout(() => reject(new Error(`no answer in ${START_TIMEOUT_MS} ms`)), START_TIMEOUT_MS).unref();
    });
    try {
      await Promise.race([Promise.all(pings), timedOut]);
    } catch (cause) {
      throw new TransferError('INTERNAL', 'the worker threads cannot be started', { cause });
    }
  }

  /** Throws `WorkerDied` only. */
  fill(job: FillJob): Promise<FillResult> {
    return this.#run(job) as Promise<FillResult>;
  }

  /** Throws `WorkerDied` only. */
  drain(job: DrainJob): Promise<Drained> {
    return this.#run(job) as Promise<Drained>;
  }

  /** Throws `WorkerDied` only. */
  pack(job: PackJob): Promise<PackAnswer> {
    return this.#run(job) as Promise<PackAnswer>;
  }

  /** Looks at as many of the first paths as a job may. None when its thread died, or threads end. */
  async look(paths: readonly string[]): Promise<readonly (EntryStats | FailedCall)[]> {
    // A job would start a thread again.
    if (this.#isStopping) return [];
    try {
      return ((await this.#post({ kind: 'list', paths })) as ListAnswer).entries;
    } catch {
      // Nothing was changed, and there is no slab; whoever asked can look by itself.
      return [];
    }
  }

  async #run(job: FillJob | DrainJob | PackJob): Promise<PoolAnswer> {
    try {
      return await this.#post(job);
    } catch (cause) {
      throw new WorkerDied(this.#untouched(job.slab), cause);
    }
  }

  async #post(job: FillJob | DrainJob | PackJob | ListJob): Promise<PoolAnswer> {
    this.#counters.jobs.add(1, job.kind);
    const answer = this.#piscina.run(job);
    this.#unanswered.add(answer);
    try {
      return await answer;
    } finally {
      this.#unanswered.delete(answer);
    }
  }

  /**
   * Ends the threads, once their jobs have ended: Node aborts the process when
   * a thread is terminated while it makes a zlib handle. The caller posts no
   * more jobs and has cancelled the outstanding ones.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.race([Promise.allSettled(this.#unanswered), stopTimeout()]);
    await Promise.race([this.#piscina.destroy(), stopTimeout()]);
  }

  /** Kills one thread as a crash would, at work if one is; for tests of what happens then. */
  async killThread(): Promise<void> {
    const deaths = this.#deaths;
    while (this.#deaths === deaths) {
      const slab = this.#slabAtWork();
      if (slab === undefined) {
        await this.#piscina.threads[0]?.terminate();
        return;
      }
      this.#slabs.crashJob(slab);
      // A job at its last chunk may end before it crashes; then the next job is crashed.
      await delay(CRASH_LOOK_MS);
    }
  }

  #slabAtWork(): number | undefined {
    for (let slab = 0; slab < this.#slabs.count; slab++) {
      // A dead thread's id stays in its slab, but leaves `#exits`.
      if (this.#exits.has(this.#slabs.threadIn(slab))) return slab;
    }
    return undefined;
  }

  async #untouched(slab: number): Promise<void> {
    await this.#exits.get(this.#slabs.threadIn(slab));
  }

  /**
   * Piscina replaces a thread that died at work, but gives up for good once one
   * dies before it is ready. A task that finds no idle thread makes it start one.
   */
  #replaceLater(): void {
    setTimeout(() => {
      if (this.#isStopping || this.#piscina.threads.length >= this.threads) return;
      this.#piscina.run('ping').catch(() => {
        // The new thread died too; its exit leads back here.
      });
    }, REPLACE_DELAY_MS).unref();
  }

  #watchThreads(): void {
    for (const worker of this.#piscina.threads) {
      if (this.#known.has(worker)) continue;
      this.#known.add(worker);
      const id = worker.threadId;
      const exited = new Promise<void>((resolve) => {
        worker.once('exit', () => {
          this.#exits.delete(id);
          this.#deaths += 1;
          if (!this.#isStopping) this.#counters.workerDeaths.add(1);
          resolve();
        });
      });
      this.#exits.set(id, exited);
    }
  }
}
