/**
 * The pieces of a range that are begun, in file order, and not being sent yet.
 *
 *   nextOffset ──begin──▶ running ──result──▶ ready ──take──▶ its pipeline sends it
 *       └──store has no descriptor──▶ reading ──▶ read ──resume──▶ running
 *
 * Invariant: whatever is here can be given back, and is read again later.
 */
import { TransferError } from '../../base/errors.ts';
import { packedFileChanged, type Reader } from '../../storage/byte-source.ts';
import type { FilledRun, FillJob, FillResult } from '../jobs/job.ts';
import type { JobStart, Share } from '../jobs/share.ts';
import { WorkerDied } from '../jobs/worker-pool.ts';
import type { PipelineContext } from '../pipeline-context.ts';
import type { Begun, JobPlanner } from './job-planner.ts';
import type { Outlet } from './outlet.ts';
import type { PeerPace } from './peer-pace.ts';
import { fillError, type Piece } from './piece.ts';
import type { RangeRequest } from './range-request.ts';
import { StoreRead } from './store-read.ts';

export interface ReadAheadListener {
  /** Whose the range is. */
  readonly share: Share;
  /** A piece is ready to be sent. */
  filled(piece: Piece, run: FilledRun): void;
  /** The range cannot be read. */
  fail(error: TransferError): void;
  /** A read or a job has ended, well or badly. */
  ended(): void;
}

/** Threads may die of one bad job again and again; this ends it. */
const MAX_WORKER_DEATHS = 5;

export class ReadAhead implements Begun {
  /** Where the next piece begins. */
  nextOffset: number;
  /** What reads of the store took, in all. */
  storageMs = 0;
  readonly #context: PipelineContext;
  readonly #request: RangeRequest;
  readonly #exchangeId: number;
  readonly #pace: PeerPace;
  readonly #listener: ReadAheadListener;
  readonly #pieces: Piece[] = [];
  /** Files of a pack that the peer was told are not as asked: what is behind that may be anything. */
  readonly #refused = new Set<number>();
  #running = 0;
  #workerDeaths = 0;

  constructor(
    context: PipelineContext,
    request: RangeRequest,
    { exchangeId = 0 }: Pick<Outlet, 'exchangeId'>,
    pace: PeerPace,
    listener: ReadAheadListener,
  ) {
    this.#context = context;
    this.#request = request;
    this.#exchangeId = exchangeId;
    this.#pace = pace;
    this.#listener = listener;
    this.nextOffset = request.start;
  }

  get count(): number {
    return this.#pieces.length;
  }

  /** Bytes of the last piece; 0 without one. */
  get lastBytes(): number {
    return this.#pieces.at(-1)?.rawBytes ?? 0;
  }

  /** Jobs posted and not answered, of pieces given back too: they still use the descriptor. */
  get running(): number {
    return this.#running;
  }

  /** The piece to be sent next. */
  get head(): Piece | undefined {
    return this.#pieces[0];
  }

  /** The first piece whose bytes are in its slab and wait for their job. */
  firstRead(): Piece | undefined {
    if (this.#request.source.kind !== 'reader') return undefined;
    return this.#pieces.find(({ stage }) => stage === 'read');
  }

  /** Begins the piece that was planned. */
  begin({ bytes, choice, owedBytes, use }: JobPlanner): JobStart {
    const piece: Piece = {
      lease: this.#context.slabs.lease(use),
      offset: this.nextOffset,
      rawBytes: bytes,
      streamEnd: this.#pace.begun(bytes),
      coding: choice.coding,
      owedBytes,
      probe: choice.probe,
      stage: 'reading',
      read: null,
      run: null,
      abandoned: false,
    };
    this.nextOffset += bytes;
    this.#pieces.push(piece);
    this.#listener.share.began(bytes);
    const { source } = this.#request;
    if (source.kind === 'reader') {
      this.#read(piece, source);
      return 'reading';
    }
    this.#post(piece);
    return 'posted';
  }

  /** Goes on with a piece whose bytes are in its slab. */
  resume(piece: Piece): JobStart {
    this.#post(piece);
    return 'posted';
  }

  /**
   * Takes the head, which is ready, out to be sent; its bytes stay in flight. False, and the range has failed, where it would take back
   * what its peer was told of a file of a pack.
   */
  take({ lost, refused }: FilledRun): boolean {
    if (lost !== undefined && !this.#refused.has(lost)) {
      this.#listener.fail(packedFileChanged());
      return false;
    }
    if (refused !== undefined) for (const file of refused) this.#refused.add(file);
    this.#pieces.shift();
    this.#pace.toWrite();
    return true;
  }

  /** A job that kills threads lets nothing behind it pass; deaths with progress between them are not its doing. */
  noteProgress(): void {
    this.#workerDeaths = 0;
  }

  /** Gives back everything, to be read again. */
  giveBack(): void {
    this.#dropFrom(0);
  }

  #read(piece: Piece, reader: Reader): void {
    const read = new StoreRead(reader, piece.lease.payload(piece.rawBytes), piece.offset);
    piece.read = read;
    this.#context.slabs.reading(piece.lease, read.ended);
    void read.ended.then((error) => {
      if (piece.abandoned) return;
      if (error === null) {
        piece.stage = 'read';
        this.storageMs += read.tookMs;
        this.#context.counters.storageSeconds.observe(read.tookMs / 1000, 'read');
        this.#context.jobs.observeRead(read.tookMs);
      } else {
        this.#remove(piece);
        this.#listener.fail(error);
        this.#pace.dropped(1);
      }
      this.#listener.ended();
    });
  }

  /** A job for the bytes of the source; those of a reader are in the slab. */
  #post(piece: Piece): void {
    piece.stage = 'running';
    const { chunkBytes, details, checksums, source } = this.#request;
    const job: FillJob = {
      kind: 'fill',
      slab: piece.lease.slab,
      fd: source.kind === 'descriptor' ? source.fd : null,
      pack: source.kind === 'pack' ? source.slice(piece.offset, piece.rawBytes) : null,
      offset: piece.offset,
      rawBytes: piece.rawBytes,
      chunkBytes: Math.min(chunkBytes, piece.rawBytes),
      exchangeId: this.#exchangeId,
      details,
      checksums,
      coding: piece.coding,
      probe: piece.probe,
    };
    this.#running += 1;
    this.#context.jobs.fill(job).then(
      (result) => this.#answered(piece, result),
      (reason) => this.#died(piece, reason),
    );
  }

  #answered(piece: Piece, result: FillResult): void {
    this.#running -= 1;
    this.#context.jobs.jobEnded();
    if (piece.abandoned) {
      this.#context.slabs.release(piece.lease);
    } else if (result.kind === 'filled') {
      piece.stage = 'ready';
      piece.run = result;
      this.#context.jobs.observeJob(this.#listener.share, result.workMs);
      this.#context.counters.jobSeconds.observe(result.workMs / 1000, 'fill');
      if (piece.read === null) {
        this.storageMs += result.readMs;
        this.#context.counters.storageSeconds.observe(result.readMs / 1000, 'read');
        this.#context.jobs.observeRead(result.readMs);
      }
      this.#listener.filled(piece, result);
    } else {
      this.#remove(piece);
      this.#listener.fail(fillError(result, this.#request.source));
      this.#pace.dropped(1);
    }
    this.#listener.ended();
  }

  /** The thread died: keep the slab away until it has exited, and read the rest again. */
  #died(piece: Piece, reason: unknown): void {
    this.#running -= 1;
    this.#context.jobs.jobEnded();
    this.#workerDeaths += 1;
    const untouched = reason instanceof WorkerDied ? reason.untouched : Promise.resolve();
    this.#context.slabs.quarantine(piece.lease, untouched);
    const at = this.#pieces.indexOf(piece);
    if (at >= 0) {
      this.#dropFrom(at + 1);
      this.#pieces.pop();
      this.#listener.share.arrived(piece.rawBytes);
      this.nextOffset = piece.offset;
    }
    if (this.#workerDeaths >= MAX_WORKER_DEATHS) {
      this.#listener.fail(new TransferError('INTERNAL', 'worker threads die repeatedly', { cause: reason }));
    }
    if (at >= 0) this.#pace.dropped(1);
    this.#listener.ended();
  }

  /** Gives back the pieces from `index` on; their range will be read again. */
  #dropFrom(index: number): void {
    const dropped = this.#pieces.splice(index);
    if (dropped[0] !== undefined) this.nextOffset = dropped[0].offset;
    for (const piece of dropped) {
      piece.abandoned = true;
      this.#listener.share.arrived(piece.rawBytes);
      if (piece.stage === 'running') {
        piece.lease.cancelJob();
      } else if (piece.stage === 'reading') {
        // Nobody waits for a store that does not answer; its slab does.
        piece.read?.abort();
        this.#context.slabs.quarantine(piece.lease, piece.read?.ended as Promise<unknown>);
      } else {
        this.#context.slabs.release(piece.lease);
      }
    }
    this.#pace.dropped(dropped.length);
  }

  /** Takes out a piece that will never be sent. */
  #remove(piece: Piece): void {
    this.#pieces.splice(this.#pieces.indexOf(piece), 1);
    this.#listener.share.arrived(piece.rawBytes);
    this.#context.slabs.release(piece.lease);
  }
}
