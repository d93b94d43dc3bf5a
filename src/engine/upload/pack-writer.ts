/**
 * What the threads do for one pack that is being written: one job at a time,
 * each in its turn among all streams.
 *
 *   idle ──call──▶ (waiting for a slab) ──▶ queued ──turn──▶ running ──▶ idle
 *
 * The content is copied into a slab for the jobs that need it, and stays on the
 * heap until then: a pack that waits holds no slab.
 */
import assert from 'node:assert/strict';
import { TransferError } from '../../base/errors.ts';
import type { FailedCall } from '../../base/files/entry-stats.ts';
import { KIB } from '../../base/units.ts';
import type { FileToName, FoundEntry, MadeFile, Naming, NewFile, PackJobs } from '../../storage/pack-jobs.ts';
import type { ActiveStream } from '../active-streams.ts';
import type { DrainJob, LookJob, NameJob, SlabChunk, WriteJob } from '../jobs/job.ts';
import { NO_SLAB } from '../jobs/scheduler.ts';
import type { JobStart, Schedulable, Share } from '../jobs/share.ts';
import { WorkerDied } from '../jobs/worker-pool.ts';
import type { PipelineContext } from '../pipeline-context.ts';
import type { SlabWaiter } from '../slabs/slab-broker.ts';
import type { Lease } from '../slabs/slab-pool.ts';

/** The content of a pack as it was received; its bytes do not change. It fits a slab, before and after compression. */
export interface PackContent extends Omit<SlabChunk, 'at' | 'wireBytes'> {
  readonly bytes: Uint8Array;
}

/** What one file costs beside its bytes, in the scheduler's bytes: some system calls, as in a pack that is read. */
const FILE_COST_BYTES = 32 * KIB;

/** Threads may die of one bad job again and again; this ends it. */
const MAX_WORKER_DEATHS = 5;

type Job = LookJob | WriteJob | NameJob | DrainJob;

/** A job without its slab, which it has when its turn comes. */
type Task = { [Kind in Job['kind']]: Omit<Extract<Job, { kind: Kind }>, 'slab'> }[Job['kind']];

interface Pending {
  readonly task: Task;
  readonly costBytes: number;
  /** The content is to be in the slab. */
  readonly needsContent: boolean;
  lease: Lease | null;
  isRunning: boolean;
  deaths: number;
  /** Takes the answer; the slab is still leased. */
  readonly done: (answer: Answer, lease: Lease) => void;
  readonly failed: (error: TransferError) => void;
}

type Answer = Awaited<ReturnType<PipelineContext['jobs']['pack'] | PipelineContext['jobs']['drain']>>;

export class PackWriter implements PackJobs, Schedulable, SlabWaiter, ActiveStream {
  deficitBytes = 0;
  isQueued = false;
  readonly share: Share;
  readonly size: number;
  readonly #context: PipelineContext;
  readonly #content: PackContent;
  #pending: Pending | null = null;
  #error: TransferError | null = null;

  constructor(context: PipelineContext, content: PackContent, share: Share) {
    this.#context = context;
    this.#content = content;
    this.size = content.rawBytes;
    this.share = share;
    share.charge(content.bytes.length, performance.now());
    share.began(content.bytes.length);
  }

  async look(paths: readonly string[]): Promise<readonly (FoundEntry | FailedCall | null)[]> {
    return await this.#results({ kind: 'look', paths }, paths.length);
  }

  async write(files: readonly NewFile[]): Promise<readonly (MadeFile | FailedCall)[]> {
    return await this.#results(
      { kind: 'write', content: this.#chunk, files, isRepeated: false },
      files.length,
    );
  }

  async name(files: readonly FileToName[]): Promise<readonly (Naming | FailedCall)[]> {
    return await this.#results({ kind: 'name', files }, files.length);
  }

  async read(): Promise<Uint8Array> {
    const { size } = this;
    const chunk = { ...this.#chunk, offset: 0, ranges: size === 0 ? [] : [{ start: 0, end: size }] };
    return await this.#run({ kind: 'drain', fd: null, chunks: [chunk] }, size, (answer, lease) => {
      if (answer.kind === 'drained' && answer.fault === null) return Uint8Array.from(lease.bytes(size)); // copy: the slab goes back
      throw damaged(
        answer.kind === 'drained' && answer.fault?.kind === 'corrupt' ? answer.fault.message : '',
      );
    });
  }

  /** Begins no more jobs; resolves at once. Whoever waits for one gets an error. */
  close(): void {
    this.fail(new TransferError('CANCELLED', 'the pack has ended'));
  }

  /** A job that runs is still answered. */
  fail(error: TransferError): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.share.arrived(this.#content.bytes.length);
    const { jobs, slabs, streams } = this.#context;
    streams.remove(this);
    slabs.forget(this);
    const pending = this.#pending;
    if (pending !== null && !pending.isRunning) {
      this.#pending = null;
      if (pending.lease !== null) slabs.release(pending.lease);
      pending.failed(error);
    }
    jobs.forget(this);
  }

  /** Whether its peer waits for it, and not the other way round. */
  isIdle(): boolean {
    return this.#pending === null;
  }

  /** What it holds it needs now. */
  giveBackIdle(): void {}

  slabIsFree(): void {
    const pending = this.#pending;
    if (pending === null || pending.isRunning || pending.lease !== null) return;
    pending.lease = this.#context.slabs.leaseToReceive(this) ?? null;
    if (pending.lease === null) return;
    this.#fill(pending.lease);
    this.#context.jobs.want(this);
  }

  planJob(): number {
    const pending = this.#pending;
    if (pending === null || pending.isRunning) return 0;
    if (pending.lease !== null) return pending.costBytes;
    if (pending.needsContent) return 0;
    return this.#context.slabs.hasFree ? pending.costBytes : NO_SLAB;
  }

  startJob(): JobStart {
    const pending = this.#pending as Pending;
    pending.lease ??= this.#context.slabs.lease('copy');
    pending.isRunning = true;
    const { slab } = pending.lease;
    this.#post(pending.task, slab).then(
      (answer) => this.#answered(pending, answer),
      (reason) => this.#died(pending, reason),
    );
    return 'posted';
  }

  get #chunk(): SlabChunk {
    const { bytes, ...rest } = this.#content;
    return { ...rest, at: 0, wireBytes: bytes.length };
  }

  #post(task: Task, slab: number): Promise<Answer> {
    const { jobs } = this.#context;
    return task.kind === 'drain' ? jobs.drain({ ...task, slab }) : jobs.pack({ ...task, slab });
  }

  async #results<T>(task: Task, count: number): Promise<readonly T[]> {
    const bytes = task.kind === 'write' ? this.size : 0;
    return await this.#run(task, bytes + count * FILE_COST_BYTES, (answer) => {
      if (answer.kind === 'done') return answer.results as readonly T[];
      throw damaged(answer.kind === 'corrupt' ? answer.message : '');
    });
  }

  /** `take` makes the result of the answer, or throws. */
  #run<T>(task: Task, costBytes: number, take: (answer: Answer, lease: Lease) => T): Promise<T> {
    assert(this.#pending === null, 'one job of a pack is wanted at a time');
    if (this.#error !== null) return Promise.reject(this.#error);
    return new Promise<T>((resolve, reject) => {
      // At once, while the slab is leased; what it throws rejects.
      const done = (answer: Answer, lease: Lease) =>
        resolve(new Promise<T>((taken) => taken(take(answer, lease))));
      const needsContent = task.kind === 'write' || task.kind === 'drain';
      const rest = { needsContent, lease: null, isRunning: false, deaths: 0, done, failed: reject };
      this.#pending = { task, costBytes: Math.max(1, costBytes), ...rest };
      if (needsContent) this.slabIsFree();
      else this.#context.jobs.want(this);
    });
  }

  #fill(lease: Lease): void {
    const { bytes } = this.#content;
    lease.bytes(bytes.length).set(bytes); // copy: threads share the memory of slabs only
  }

  #answered(pending: Pending, answer: Answer): void {
    this.#pending = null;
    this.#context.jobs.jobEnded();
    const lease = pending.lease as Lease;
    pending.done(answer, lease);
    this.#context.slabs.release(lease);
    this.#context.jobs.dispatch();
  }

  /** All that the jobs do may be done again, once the dead thread has exited. */
  #died(pending: Pending, reason: unknown): void {
    this.#context.jobs.jobEnded();
    pending.deaths += 1;
    const untouched = reason instanceof WorkerDied ? reason.untouched : Promise.resolve();
    void untouched.then(() => {
      const lease = pending.lease as Lease;
      pending.isRunning = false;
      if (pending.deaths >= MAX_WORKER_DEATHS || this.#error !== null) {
        this.#pending = null;
        this.#context.slabs.release(lease);
        const dying = new TransferError('INTERNAL', 'worker threads die repeatedly', { cause: reason });
        pending.failed(this.#error ?? dying);
      } else {
        lease.renewJob();
        if (pending.task.kind === 'write') pending.task.isRepeated = true;
        if (pending.needsContent) this.#fill(lease);
      }
      this.#context.jobs.want(this);
    });
  }
}

function damaged(message: string): TransferError {
  return new TransferError(
    'CHECKSUM_MISMATCH',
    `the content of the pack arrived damaged: ${message}; send it again`,
  );
}
