/**
 * What an operator's program asks a server: AdminService, over a connection as
 * transfers have it. For the command line; programs use the contract itself.
 */
import type { ClientReadableStream } from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import type { WatchRequest, WatchResponse } from '../wire/admin-messages.ts';
import { AttemptWatch } from './connection/attempt-watch.ts';
import { cancelCall, cancelledBy, onCancelled } from './connection/cancellation.ts';
import { Channel } from './connection/channel.ts';
import { Interruptions } from './connection/interruptions.ts';
import { Retry, UNANSWERED } from './connection/retry.ts';
import { parseTarget } from './connection/target.ts';
import { type ClientOptions, type ResolvedOptions, resolveOptions } from './options.ts';

export class AdminClient {
  readonly #channel: Channel;
  readonly #options: ResolvedOptions;

  /** As that of `SluiceClient`, for one server: each has transfers of its own. */
  constructor(target: string, options: ClientOptions = {}) {
    this.#options = resolveOptions(options);
    const { logger, retry, tracing } = this.#options;
    const parsed = parseTarget(target);
    if (parsed.servers.length > 1) {
      throw new TransferError('INVALID_ARGUMENT', `${target} are several servers; watch them one by one`);
    }
    this.#channel = new Channel(parsed, this.#options, new Interruptions(logger, tracing, retry.outageMs));
  }

  /**
   * Snapshots, one after the other, until the consumer leaves the loop. A server that goes away is asked again, as
   * long as a transfer would be; the first snapshot of each call has rates since the start of the server.
   *
   * @throws TransferError PERMISSION_DENIED, INVALID_ARGUMENT, UNIMPLEMENTED for a server that has no AdminService
   */
  async *watch(request: WatchRequest, signal?: AbortSignal): AsyncGenerator<WatchResponse, void, undefined> {
    const { retry } = this.#options;
    const attempts = new Retry({ retry, channel: this.#channel, what: UNANSWERED, signal });
    for (;;) {
      try {
        for await (const snapshot of this.#snapshots(request, signal)) {
          attempts.refill();
          yield snapshot;
        }
      } catch (reason) {
        await attempts.pause(TransferError.from(reason));
      }
    }
  }

  /** Safe to call twice. */
  close(): void {
    this.#channel.close();
    this.#options.renewableTls?.close();
  }

  /** Of one call; throws when that ends. */
  async *#snapshots(
    request: WatchRequest,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<WatchResponse, void, undefined> {
    if (signal?.aborted) throw cancelledBy(signal);
    const channel = this.#channel;
    const call: ClientReadableStream<WatchResponse> = channel.stream('Watch', request);
    // Cancelling emits one more error after the iteration has ended.
    call.on('error', () => {});
    const ignoreSignal = onCancelled(signal, (error) => call.destroy(error));
    const watched = {
      deliveredBytes: 0,
      isPaused: false,
      extraTimeoutMs: request.intervalMs,
      fail: (error: TransferError) => void call.destroy(error),
    };
    const watch = new AttemptWatch(watched, channel, this.#options);
    try {
      for await (const snapshot of call as AsyncIterable<WatchResponse>) {
        watched.deliveredBytes += 1;
        watched.isPaused = true;
        yield snapshot;
        watched.isPaused = false;
      }
    } catch (reason) {
      throw channel.failureOf(reason as Error);
    } finally {
      watch.close();
      ignoreSignal();
      cancelCall(call);
    }
    throw new TransferError('UNAVAILABLE', `${channel.address} ended the watch`);
  }
}
