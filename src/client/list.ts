/** ListFiles as an iteration. Batches are read only as fast as the consumer takes entries. */
import type { ClientReadableStream } from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import type { ListEntry, ListFilesRequest, ListFilesResponse } from '../wire/messages.ts';
import { AttemptWatch } from './attempt-watch.ts';
import { cancelCall } from './cancel-call.ts';
import { type Channel, cancelledBy } from './channel.ts';
import type { ResolvedOptions } from './options.ts';
import { RetryBudget } from './retry.ts';
import { delay } from './wait.ts';
import { receivedSize } from './wire-size.ts';

export interface ListOptions {
  /** Also what is in directories below, depth first. Default false. */
  recursive?: boolean | undefined;
  /** Aborting ends the iteration with CANCELLED, a time-out (`AbortSignal.timeout`) with DEADLINE_EXCEEDED. */
  signal?: AbortSignal | undefined;
}

/** Tries again until the first entry; after it a failure is thrown, because a listing cannot be resumed. */
export async function* listEntries(
  channel: Channel,
  options: ResolvedOptions,
  prefix: string,
  { recursive = false, signal }: ListOptions,
): AsyncGenerator<ListEntry, void, undefined> {
  const budget = new RetryBudget(options.retry);
  for (let hasEntries = false; ; ) {
    try {
      for await (const { entries } of batches(channel, options, { prefix, recursive }, signal)) {
        for (const entry of entries) {
          hasEntries = true;
          receivedSize(entry.size, entry.name);
          yield entry;
        }
      }
      return;
    } catch (reason) {
      const error = TransferError.from(reason);
      const waitMs = hasEntries || signal?.aborted ? undefined : budget.spend(error, channel.hasConnected);
      if (waitMs === undefined) throw error;
      await delay(waitMs, signal);
    }
  }
}

async function* batches(
  channel: Channel,
  options: ResolvedOptions,
  request: ListFilesRequest,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListFilesResponse, void, undefined> {
  if (signal?.aborted) throw cancelledBy(signal);
  const call: ClientReadableStream<ListFilesResponse> = channel.stream('ListFiles', request);
  // Cancelling makes the call emit one more error after the iteration has let go of it.
  call.on('error', () => {});
  const onAbort = () => call.destroy(cancelledBy(signal as AbortSignal));
  signal?.addEventListener('abort', onAbort);
  const watched = {
    deliveredBytes: 0,
    isPaused: false,
    fail: (error: TransferError) => void call.destroy(error),
  };
  const watch = new AttemptWatch(watched, channel, options);
  try {
    for await (const batch of call as AsyncIterable<ListFilesResponse>) {
      watched.deliveredBytes += 1;
      watched.isPaused = true;
      yield batch;
      watched.isPaused = false;
    }
  } catch (reason) {
    throw channel.failureOf(reason as Error);
  } finally {
    watch.close();
    signal?.removeEventListener('abort', onAbort);
    cancelCall(call);
  }
}
