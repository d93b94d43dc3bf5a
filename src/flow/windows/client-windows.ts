/**
 * The receive windows of all clients of a process. A connection whose windows
 * follow its link has its own user agent, which identifies its streams through
 * public API of Node 22 and later; on Node 20 a stream is found below its call,
 * through private fields.
 *
 *     first call that lasts ─▶ self-test ─▶ streams are followed, those that wait included
 *                                       └─▶ windows stay as they began, with one warning
 *
 * Connections begin with `START_WINDOW_BYTES` either way, so nothing waits for
 * the test.
 */
import type { Http2Stream, IncomingHttpHeaders } from 'node:http2';
import type { ChannelOptions } from '@grpc/grpc-js';
import type { Logger } from '../../base/logger.ts';
import { MIB } from '../../base/units.ts';
import { clientStreamOf, watchClientStreams } from '../calls/call-stream.ts';
import { windowsWork } from '../self-tests/window-test.ts';
import { type LinkFacts, ReceiveWindows, type WindowStats } from './receive-windows.ts';
import { WindowBudget } from './window-budget.ts';

/** The window before anything is known of the link, and where it cannot be followed: 1 GiB/s at 8 ms. */
export const START_WINDOW_BYTES = 8 * MIB;

/** What all connections of all clients of a process may offer together. */
export const CLIENT_WINDOW_BUDGET_BYTES = 256 * MIB;

/** The self-test takes some milliseconds, which shorter calls need not pay. */
const TEST_AFTER_MS = 10;

const USER_AGENT = 'sluice (window ';

export class ClientWindows {
  readonly #test: () => Promise<boolean>;
  readonly #windows: ReceiveWindows;
  readonly #waiting = new Map<Http2Stream, number>();
  readonly #warned = new WeakSet<Logger>();
  readonly #paths = new Set<string>();
  #isWatching = false;
  #testing: Promise<boolean> | undefined;
  #works: boolean | undefined;

  /** @param test whether windows can be changed here */
  constructor(budgetBytes: number, test: () => Promise<boolean>) {
    this.#test = test;
    this.#windows = new ReceiveWindows({
      startBytes: START_WINDOW_BYTES,
      maxBytes: budgetBytes,
      budget: new WindowBudget(budgetBytes),
    });
  }

  /** For a connection whose windows are to follow its link, up to `maxBytes`. */
  channelOptions(maxBytes: number): ChannelOptions {
    return {
      'grpc-node.flow_control_window': Math.min(START_WINDOW_BYTES, maxBytes),
      'grpc.primary_user_agent': `${USER_AGENT}${maxBytes})`,
    };
  }

  /** A call that receives bytes, just made on such a connection. A failing test is told to `logger`, once. */
  follow(call: NodeJS.EventEmitter, path: string, maxBytes: number, logger: Logger): void {
    if (this.#works === false) {
      this.#warn(logger);
      return;
    }
    this.#watch(path);
    call.once('metadata', () => this.#found(clientStreamOf(call), maxBytes));
    if (this.#works === true) return;
    const timer = setTimeout(() => void this.#tested(logger), TEST_AFTER_MS).unref();
    call.once('close', () => clearTimeout(timer));
  }

  /** Of the link below a call that is followed. */
  factsOf(call: object): LinkFacts | undefined {
    return this.#windows.factsOf(clientStreamOf(call));
  }

  stats(): WindowStats {
    return this.#windows.stats();
  }

  #watch(path: string): void {
    this.#paths.add(path);
    if (this.#isWatching) return;
    this.#isWatching = true;
    watchClientStreams(USER_AGENT, (stream, headers) => {
      if (this.#paths.has(String(headers[':path']))) this.#found(stream, maxBytesIn(headers));
    });
  }

  #found(stream: Http2Stream | undefined, maxBytes: number): void {
    if (stream === undefined || stream.destroyed || this.#works === false) return;
    if (this.#works === true) this.#windows.follow(stream, maxBytes);
    else if (!this.#waiting.has(stream)) {
      this.#waiting.set(stream, maxBytes);
      stream.once('close', () => this.#waiting.delete(stream));
    }
  }

  async #tested(logger: Logger): Promise<void> {
    this.#testing ??= this.#test();
    const works = await this.#testing;
    this.#works = works;
    if (!works) this.#warn(logger);
    else for (const [stream, maxBytes] of this.#waiting) this.#windows.follow(stream, maxBytes);
    this.#waiting.clear();
  }

  #warn(logger: Logger): void {
    if (this.#warned.has(logger)) return;
    this.#warned.add(logger);
    const fields = { node: process.version, windowBytes: START_WINDOW_BYTES };
    logger.warn(
      fields,
      'receive windows cannot follow the link on this version of Node; they keep their initial size',
    );
  }
}

/** Of all clients of this process. */
export const clientWindows = new ClientWindows(CLIENT_WINDOW_BUDGET_BYTES, () => windowsWork('client'));

function maxBytesIn(headers: IncomingHttpHeaders): number {
  return Number.parseInt(String(headers['user-agent']).slice(USER_AGENT.length), 10);
}
