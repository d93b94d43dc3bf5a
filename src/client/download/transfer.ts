/**
 * A transfer: its lanes fetch until all is there, pinned to one version. Bytes of
 * two versions never meet: a changed file means starting over where the sink can
 * take bytes back, and an error where it cannot.
 */
import { TransferError } from '../../base/errors.ts';
import { cancelledBy, delay, onCancelled } from '../connection/cancellation.ts';
import type { LaneChannels } from '../lanes/channels.ts';
import { Lanes } from '../lanes/lanes.ts';
import { MAX_RESTARTS } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import { DownloadLane, type LaneAccount } from './lane.ts';
import { LaneServers } from './lane-servers.ts';
import type { DownloadReporter } from './progress.ts';
import type { DownloadRanges } from './ranges.ts';
import type { Sink, SinkListener } from './sinks/sink.ts';

export interface TransferContext {
  readonly channels: LaneChannels;
  readonly options: ResolvedOptions;
  readonly ranges: DownloadRanges;
  readonly sink: Sink;
  readonly progress: DownloadReporter;
  /** Undefined: as many as help. One, where the sink takes bytes in order only. */
  readonly connections: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export class Transfer implements SinkListener {
  readonly #context: TransferContext;
  /** Aborted by the caller's signal, a failing sink or a throwing listener; the reason is the error. */
  readonly #stop = new AbortController();
  readonly #account: LaneAccount = { interruptions: 0 };
  /** Versions that the transfer was pinned to before it started over. */
  readonly #left = new Set<string>();
  /** One of those came back: no file changes in this way, but servers with copies of their own answer in turn. */
  #isInTurns = false;
  #lanes: Lanes<DownloadLane> | undefined;

  constructor(context: TransferContext) {
    this.#context = context;
  }

  /**
   * Resolves when the sink has finished with all bytes of the range. Rejects
   * with a TransferError after the sink has kept what can be resumed.
   */
  async run(): Promise<void> {
    const { sink, signal, progress, ranges } = this.#context;
    const ignoreSignal = onCancelled(signal, (error) => this.#stop.abort(error));
    sink.listener = this;
    progress.onThrown = (error) => this.#stop.abort(error);
    if (progress.thrown !== undefined) this.#stop.abort(progress.thrown);
    try {
      while (!(await this.#fetchOnce()));
      progress.enter('finishing');
      await sink.finish(ranges.receivedBytes);
    } catch (reason) {
      const error = TransferError.from(reason);
      await sink.abandon(error);
      throw error;
    } finally {
      ignoreSignal();
      sink.listener = undefined;
      progress.close();
    }
  }

  onDrained(): void {
    for (const lane of this.#lanes?.running ?? []) lane.onDrained();
  }

  onFailed(error: TransferError): void {
    this.#stop.abort(error);
  }

  /** True when all is there; false when the file has changed and is to be fetched again. */
  async #fetchOnce(): Promise<boolean> {
    const { options, progress, ranges } = this.#context;
    // What looked like a change may be another server's copy: a single call has a single server.
    const connections = this.#context.connections ?? (progress.restarts > 0 ? 1 : undefined);
    const stop = new AbortController();
    const ignoreStop = onCancelled(this.#stop.signal, (error) => stop.abort(error));
    const { name } = ranges.request;
    const context = { ...this.#context, connections, signal: stop.signal };
    const servers = new LaneServers(context);
    const lanes = () => this.#lanes?.running ?? [];
    const shared = { ...context, account: this.#account, lanes, servers };
    let first: DownloadLane | undefined;
    const agreed = () => servers.agreed(() => first?.server);
    this.#lanes = new Lanes({
      parts: ranges,
      connections,
      stop,
      make: (index) => {
        const lane = new DownloadLane(shared, index);
        if (index === 0) first = lane;
        return lane;
      },
      atOnce: agreed,
      ready: agreed,
      moved: () => ranges.moved,
      onRefused: ({ message: reason }) => options.logger.debug({ name, reason }, 'no further connection'),
    });
    try {
      await this.#lanes.run();
      return true;
    } catch (reason) {
      await this.#startOver(TransferError.from(reason));
      return false;
    } finally {
      ignoreStop();
    }
  }

  /** Returns when the file, which has changed, can be begun again; throws any other error. */
  async #startOver(error: TransferError): Promise<void> {
    if (this.#stop.signal.aborted) throw cancelledBy(this.#stop.signal);
    const { sink, ranges, progress, options } = this.#context;
    const { ifMatch, name } = ranges.request;
    const hasChanged = error.code === 'VERSION_MISMATCH' || error.code === 'FILE_CHANGED';
    const isPinnedByCaller = ifMatch !== '' && error.code === 'VERSION_MISMATCH';
    const isTooLate = ranges.receivedBytes > 0 && !sink.isRewindable;
    if (!hasChanged) throw error;
    const left = ranges.content.ifMatch;
    this.#left.add(left);
    if (error.version !== undefined && this.#left.has(error.version) && error.version !== left)
      this.#isInTurns = true;
    if (isPinnedByCaller || isTooLate) throw error;
    if (progress.restarts >= MAX_RESTARTS) throw this.#isInTurns ? noSharedVersion(name, error) : error;
    const fields = { name, discardedBytes: ranges.receivedBytes, version: error.version };
    const why = this.#isInTurns ? 'another server answered, with another version' : 'the file changed';
    options.logger.warn(fields, `${why}; starting over`);
    options.tracing.event('restarted', { reason: error.message });
    progress.restarts += 1;
    progress.resumedBytes = 0;
    this.#account.interruptions += 1;
    ranges.restart();
    if (sink.isRewindable) await sink.restart();
    await delay(options.retry.initialBackoffMs, this.#stop.signal);
  }
}

function noSharedVersion(name: string, cause: TransferError): TransferError {
  const message = `${name} makes no headway: servers that answer in turn give it different versions, and each time it starts over; have them share versions by the setting version.by, or name one of them`;
  return new TransferError('VERSION_MISMATCH', message, { cause, version: cause.version });
}
