/**
 * One connection of a download: takes ranges and fetches each. What fails goes
 * back, for whoever is next; the lane goes on after a wait.
 */
import { TransferError } from '../../base/errors.ts';
import { cancelledBy, delay, onCancelled } from '../connection/cancellation.ts';
import type { Channel } from '../connection/channel.ts';
import { Retry } from '../connection/retry.ts';
import type { Lane } from '../lanes/lanes.ts';
import { IDLE_LOOK_MS, MIN_CHUNK_BYTES, MIN_SLOW_STRIPE_BYTES, MIN_STRIPE_BYTES } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import { Attempt } from './attempt.ts';
import { fileChange, isGuess } from './file-change.ts';
import type { LaneServers } from './lane-servers.ts';
import type { Mark, Position } from './position.ts';
import type { DownloadReporter } from './progress.ts';
import type { DownloadRanges } from './ranges.ts';
import type { Section, Sink } from './sinks/sink.ts';
import { type Fetching, Stragglers } from './stragglers.ts';

/** Its range goes on over another connection. */
const RELIEVED = new TransferError('CANCELLED', 'a faster connection goes on');

/** What the lanes of a transfer have met together. */
export interface LaneAccount {
  /** Failures and changes of the file that were followed by another try. */
  interruptions: number;
}

/** What all lanes of a transfer share. */
export interface LaneContext {
  readonly servers: LaneServers;
  readonly options: ResolvedOptions;
  readonly ranges: DownloadRanges;
  readonly sink: Sink;
  readonly progress: DownloadReporter;
  readonly account: LaneAccount;
  /** Aborted when the transfer ends; its reason is the error. */
  readonly signal: AbortSignal;
  /** Lanes that have not ended. */
  lanes(): Iterable<DownloadLane>;
}

export class DownloadLane implements Lane, Fetching {
  readonly #context: LaneContext;
  readonly #index: number;
  readonly #channel: Channel;
  readonly #retry: Retry;
  /** All is there, or the transfer has ended. */
  readonly #over: AbortSignal;
  /** Asked for with the next attempt; shrinks when chunks are too large to arrive within the stall timeout. */
  #chunkBytes: number;
  /** The most bytes that the transfer had at any failure of this lane; only more is progress. */
  #furthestBytes: number;
  #position: Position | undefined;
  #attempt: Attempt | undefined;
  /** Of what it has fetched last; zero before that. */
  #bytesPerMs = 0;
  #isRetired = false;
  #onSinkDrained: (() => void) | undefined;

  /** @param index of the connection; the first one decides what becomes of the transfer */
  constructor(context: LaneContext, index: number) {
    const { options, progress, ranges, servers, signal } = context;
    this.#context = context;
    this.#index = index;
    this.#channel = servers.at(index);
    this.#over = AbortSignal.any([signal, ranges.complete]);
    this.#retry = new Retry({
      retry: options.retry,
      channel: this.#channel,
      what: 'transfer interrupted; resuming',
      name: ranges.request.name,
      signal: this.#over,
      onWait: () => {
        if (!ranges.areMoving) progress.enter('waiting');
      },
    });
    this.#chunkBytes = options.chunkBytes;
    this.#furthestBytes = ranges.receivedBytes;
  }

  async run(): Promise<void> {
    for (let position = await this.#next(); position !== undefined; position = await this.#next()) {
      if (!(await this.#fetch(position))) return;
    }
  }

  /** Keeps what has arrived, and takes nothing more. */
  retire(): void {
    this.#isRetired = true;
    if (this.#position === undefined) return;
    this.#context.ranges.cut(this.#position);
    if (this.#position.takenEnd > this.#position.start) this.#attempt?.endIfCut();
    else this.#attempt?.fail(new TransferError('CANCELLED', 'the connection is not needed'));
  }

  /** Gives back what has not arrived, and ends: another lane is much faster. */
  relieve(): void {
    this.#attempt?.fail(RELIEVED);
  }

  get fetched(): Position | undefined {
    return this.#attempt === undefined || this.#attempt.isPaused ? undefined : this.#position;
  }

  /** The server that sends the range. */
  get server(): string | undefined {
    return this.#attempt?.server;
  }

  /** The sink takes bytes again. */
  onDrained(): void {
    this.#onSinkDrained?.();
    this.#attempt?.resumeIfPossible();
  }

  /** The next range. Where there is none: what others give back, until all is there. */
  async #next(): Promise<Position | undefined> {
    const { ranges } = this.#context;
    const stragglers = new Stragglers<DownloadLane>();
    for (;;) {
      if (this.#isRetired || this.#over.aborted) return undefined;
      this.#position = ranges.take(this.#leastBytes);
      if (this.#position !== undefined) return this.#position;
      stragglers.find(this.#context.lanes(), this.#bytesPerMs, performance.now())?.relieve();
      await delay(IDLE_LOOK_MS, this.#over).catch(() => {});
    }
  }

  get #leastBytes(): number {
    if (this.#bytesPerMs === 0) return MIN_STRIPE_BYTES;
    return Math.min(MIN_STRIPE_BYTES, Math.max(MIN_SLOW_STRIPE_BYTES, this.#bytesPerMs * 1000));
  }

  /** True when the lane may go on with what is next. */
  async #fetch(position: Position): Promise<boolean> {
    const { account, options, progress, ranges, signal, sink } = this.#context;
    for (;;) {
      await this.#sinkTakesBytes();
      const begun = position.mark();
      progress.attempts = 1 + account.interruptions;
      progress.enter('receiving');
      const section = sink.isRewindable ? sink.section(begun.offset) : undefined;
      const attempt = new Attempt({
        channel: this.#channel,
        options,
        position,
        sink: sink.isRewindable ? (section as Section) : sink,
        progress,
        chunkBytes: this.#chunkBytes,
        signal,
      });
      this.#attempt = attempt;
      const begunAtMs = performance.now();
      try {
        await attempt.run();
        section?.close();
      } catch (reason) {
        return await this.#recover(TransferError.from(reason), { position, begun, attempt, section });
      } finally {
        this.#attempt = undefined;
      }
      this.#noteRate(position.offset - begun.offset, performance.now() - begunAtMs);
      // Only OK says that all of it was of one version: asking for what is behind the end confirms that.
      if (attempt.isCutShort) continue;
      this.#logLink(attempt);
      this.#position = undefined;
      ranges.settle(position);
      return true;
    }
  }

  #noteRate(bytes: number, ms: number): void {
    if (bytes > 0) this.#bytesPerMs = bytes / ms;
  }

  #logLink({ link }: Attempt): void {
    const { options, ranges } = this.#context;
    if (link === undefined) return;
    const { receiveWindowBytes: windowBytes, roundTripMs } = link;
    options.tracing.event('received', { windowBytes, roundTripMs });
    options.logger.debug({ name: ranges.request.name, windowBytes, roundTripMs }, 'received');
  }

  /** Waits for the sink first: a call whose chunks nobody takes would stall. */
  async #sinkTakesBytes(): Promise<void> {
    const { signal, sink } = this.#context;
    if (signal.aborted) throw cancelledBy(signal);
    if (!sink.isFull) return;
    await new Promise<void>((resolve, reject) => {
      const ignoreSignal = onCancelled(signal, reject);
      this.#onSinkDrained = () => {
        ignoreSignal();
        this.#onSinkDrained = undefined;
        resolve();
      };
    });
  }

  /** True when the lane may go on, false when others have to; throws what ends the transfer. */
  async #recover(
    failure: TransferError,
    { attempt, begun, position, section }: FailedFetch,
  ): Promise<boolean> {
    const { ranges, servers, signal, sink } = this.#context;
    const { receivedBytes } = ranges;
    const hasArrived = position.offset > begun.offset;
    this.#position = undefined;
    if (attempt.isSuspect) position.rewind(begun);
    await (attempt.isSuspect ? section?.takeBack() : section?.close());
    if (this.#isRetired && position.end === position.start) {
      ranges.settle(position);
      return false;
    }
    ranges.giveBack(position);
    if (signal.aborted) throw cancelledBy(signal);
    if (failure === RELIEVED) return false;
    // Another server may answer on a further connection, and have another version.
    const isFirst = this.#index === 0;
    const change = await fileChange(failure, position, { channel: servers.at(0), isFirst, signal });
    if (change !== undefined) throw change;
    const error = isGuess(failure)
      ? new TransferError('ABORTED', failure.message, { cause: failure.cause })
      : failure;
    if (attempt.isSuspect && !sink.isRewindable) throw error;
    if (receivedBytes > this.#furthestBytes) {
      this.#furthestBytes = receivedBytes;
      this.#retry.refill();
    }
    if (error.code === 'STALLED' && !hasArrived) {
      // On a very slow link one whole chunk may take longer than the stall timeout.
      this.#chunkBytes = Math.max(MIN_CHUNK_BYTES, Math.floor(this.#chunkBytes / 4));
    }
    return await this.#pause(error, position.offset);
  }

  /** Waits for the next try; false when there is none on this connection. */
  async #pause(error: TransferError, offset: number): Promise<boolean> {
    const { account, options, ranges, signal } = this.#context;
    try {
      if (this.#index > 0 && this.#isRefused(error)) throw error;
      await this.#retry.pause(error, { offset });
      account.interruptions += 1;
      return true;
    } catch (reason) {
      if (ranges.complete.aborted) return false;
      if (signal.aborted || this.#index === 0) throw reason;
      const fields = { name: ranges.request.name, reason: error.message };
      options.logger.debug(fields, 'continuing without one of the connections');
      return false;
    }
  }

  /** There is no place for a further connection. */
  #isRefused({ code }: TransferError): boolean {
    const { hasAnother, hasConnected } = this.#channel;
    return code === 'RESOURCE_EXHAUSTED' || (code === 'UNAVAILABLE' && !hasConnected && !hasAnother);
  }
}

interface FailedFetch {
  readonly attempt: Attempt;
  readonly begun: Mark;
  readonly position: Position;
  readonly section: Section | undefined;
}
