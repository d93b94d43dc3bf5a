/** ListFiles as an iteration. Batches are read only as fast as the consumer takes entries. */
import type { ClientReadableStream } from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import type { ListEntry, ListFilesRequest, ListFilesResponse, OmittedEntry } from '../wire/messages.ts';
import { AttemptWatch } from './attempt-watch.ts';
import { cancelCall } from './cancel-call.ts';
import { type Channel, cancelledBy } from './channel.ts';
import type { ResolvedOptions } from './options.ts';
import { RetryBudget } from './retry.ts';
import { delay } from './wait.ts';
import { checkReceivedFile } from './wire-size.ts';

export interface ListOptions {
  /** Also what is in directories below, depth first. Default false. */
  recursive?: boolean | undefined;
  /** Told of what is in the directories and is not listed, and why. Must not throw. */
  onOmitted?: ((omitted: OmittedEntry) => void) | undefined;
  /** Aborting ends the iteration with CANCELLED, a time-out (`AbortSignal.timeout`) with DEADLINE_EXCEEDED. */
  signal?: AbortSignal | undefined;
}

const FROM_START = new Uint8Array(0);

export async function* listEntries(
  channel: Channel,
  options: ResolvedOptions,
  prefix: string,
  { onOmitted, recursive = false, signal }: ListOptions,
): AsyncGenerator<ListEntry, void, undefined> {
  for await (const { entries, omitted } of resumedBatches(channel, options, { prefix, recursive }, signal)) {
    for (const each of omitted) onOmitted?.(each);
    for (const entry of entries) {
      checkReceivedFile(entry);
      yield entry;
    }
  }
}

/** Goes on after an interruption, with a server that tells where a listing is; with others only until the first batch. */
async function* resumedBatches(
  channel: Channel,
  options: ResolvedOptions,
  request: Omit<ListFilesRequest, 'after'>,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListFilesResponse, void, undefined> {
  const budget = new RetryBudget(options.retry);
  let canGoOn = true;
  for (let after: Uint8Array = FROM_START; ; ) {
    try {
      for await (const batch of batches(channel, options, { ...request, after }, signal)) {
        budget.refill();
        after = batch.position;
        canGoOn = after.length > 0;
        yield batch;
      }
      return;
    } catch (reason) {
      const error = TransferError.from(reason);
      const waitMs = canGoOn && !signal?.aborted ? budget.spend(error, channel.hasConnected) : undefined;
      if (waitMs === undefined) throw error;
      channel.interruptions.tell(channel.hasConnected, 'not answered; trying again', error, waitMs);
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
