/**
 * Which connection each lane of a download uses. Calls of the first lane go to any
 * server of the target, so before its range is divided, the servers of further
 * lanes must agree that they have the version: one that has another, or no such
 * file, would be asked for the rest sooner or later, and end the transfer.
 */
import { TransferError } from '../../base/errors.ts';
import type { Channel } from '../connection/channel.ts';
import type { LaneChannels } from '../lanes/channels.ts';
import { DEFAULT_CONNECTIONS } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import { Attempt } from './attempt.ts';
import { Position } from './position.ts';
import type { DownloadReporter } from './progress.ts';
import type { DownloadRanges } from './ranges.ts';
import type { ChunkSink } from './sinks/sink.ts';

export interface LaneServersContext {
  readonly channels: LaneChannels;
  readonly options: ResolvedOptions;
  readonly ranges: DownloadRanges;
  readonly progress: DownloadReporter;
  /** Undefined: as many as help. */
  readonly connections: number | undefined;
  /** Aborted when the transfer ends. */
  readonly signal: AbortSignal;
}

/** For the answer to a request for nothing. */
const NO_SINK: ChunkSink = { needsCrc32: false, isFull: false, begin() {}, write() {} };

export class LaneServers {
  readonly #context: LaneServersContext;
  #agreement: Promise<number> | undefined;
  /** Positions of the connections by lane; behind the end, and by default, those of the lanes. */
  #order: readonly number[] = [];

  constructor(context: LaneServersContext) {
    this.#context = context;
  }

  /** The connection of a lane; those of further ones are known once the servers have agreed. */
  at(index: number): Channel {
    return this.#context.channels.at(this.#order[index] ?? index);
  }

  /**
   * Resolves when further lanes may begin: to how many lanes there is a server each.
   * Rejects with a TransferError when a server has another version, or nothing to give.
   *
   * @param firstServer tells the server of the first lane, once that has answered
   */
  async agreed(firstServer: () => string | undefined): Promise<number> {
    this.#agreement ??= this.#agree(firstServer);
    return await this.#agreement;
  }

  async #agree(firstServer: () => string | undefined): Promise<number> {
    const { channels, connections = DEFAULT_CONNECTIONS, ranges, signal } = this.#context;
    await ranges.content.pinned(signal);
    const count = Math.min(channels.at(0).serverCount, connections);
    if (count < 2 || !ranges.isDivisible) return 1;
    const first = firstServer();
    // One of these may have the first lane's server: which one has it is not known before.
    const asked = Array.from({ length: count }, (_, index) => index + 1);
    const servers = await Promise.all(asked.map((index) => this.#ask(index)));
    const isNew = servers.map(
      (server, at) => server !== undefined && server !== first && servers.indexOf(server) === at,
    );
    const others = asked.filter((_, at) => isNew[at]);
    this.#order = [0, ...others, ...asked.filter((_, at) => !isNew[at])];
    return Math.min(1 + others.length, count);
  }

  /** The server on a connection that has the version; undefined where none can be reached, or has room. */
  async #ask(index: number): Promise<string | undefined> {
    const { channels, options, progress, ranges, signal } = this.#context;
    const { content, request } = ranges;
    const attempt = new Attempt({
      channel: channels.at(index),
      options,
      position: new Position(request, content, { start: request.start, end: request.start }),
      sink: NO_SINK,
      progress,
      chunkBytes: options.chunkBytes,
      signal: AbortSignal.any([signal, ranges.complete]),
    });
    try {
      await attempt.run();
      return attempt.server;
    } catch (reason) {
      const error = TransferError.from(reason);
      if (error.code === 'UNAVAILABLE' || error.code === 'RESOURCE_EXHAUSTED') return undefined;
      throw error;
    }
  }
}
