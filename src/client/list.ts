/** ListFiles as an iteration. Batches are read only as fast as the consumer takes entries. */
import type { ClientReadableStream } from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import { KIB } from '../base/units.ts';
import type { ListEntry, ListFilesRequest, ListFilesResponse, OmittedEntry } from '../wire/messages.ts';
import { AttemptWatch } from './connection/attempt-watch.ts';
import { cancelCall, cancelledBy, onCancelled } from './connection/cancellation.ts';
import type { Channel } from './connection/channel.ts';
import { Retry, UNANSWERED } from './connection/retry.ts';
import type { ResolvedOptions } from './options.ts';
import { checkReceivedFile } from './wire-size.ts';

export interface ListOptions {
  /** Include everything below, depth first. Default false. */
  recursive?: boolean | undefined;
  /** Called for each entry that exists and is not listed, with the reason. Must not throw. */
  onOmitted?: ((omitted: OmittedEntry) => void) | undefined;
  /** Aborting ends the iteration with CANCELLED, a timeout (`AbortSignal.timeout`) with DEADLINE_EXCEEDED. */
  signal?: AbortSignal | undefined;
}

const FROM_START = new Uint8Array(0);

/** The longest position that is kept and sent back; a name has 2 KiB at most. */
const MAX_POSITION_BYTES = 8 * KIB;

/** An unread listing frees its place on the server after this fraction of the stall timeout. */
const LET_GO_PART = 3;

/** Why a listing that was let go is not at its end. */
const LET_GO = new TransferError('CANCELLED', 'the consumer stopped reading the listing');

export async function* listEntries(
  channel: Channel,
  options: ResolvedOptions,
  prefix: string,
  { onOmitted, recursive = false, signal }: ListOptions,
): AsyncGenerator<ListEntry, void, undefined> {
  const request = { prefix, recursive, keepAliveMs: options.keepAliveMs };
  yield* entriesOf(resumedBatches(channel, options, request, signal), onOmitted);
}

/** The entries of a listing, checked; tells what it leaves out. */
export async function* entriesOf(
  batches: AsyncIterable<ListFilesResponse>,
  onOmitted: ListOptions['onOmitted'],
): AsyncGenerator<ListEntry, void, undefined> {
  for await (const { entries, omitted } of batches) {
    for (const each of omitted) onOmitted?.(each);
    for (const entry of entries) {
      checkReceivedFile(entry);
      yield entry;
    }
  }
}

/** Resumes where the server tells positions; with other servers only before the first batch. */
async function* resumedBatches(
  channel: Channel,
  options: ResolvedOptions,
  request: Omit<ListFilesRequest, 'after'>,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListFilesResponse, void, undefined> {
  const retry = new Retry({ retry: options.retry, channel, what: UNANSWERED, signal });
  let canGoOn = true;
  for (let after: Uint8Array = FROM_START; ; ) {
    try {
      for await (const batch of batches(channel, options, { ...request, after }, signal)) {
        retry.refill();
        after = checkedPosition(batch.position);
        canGoOn = after.length > 0;
        yield batch;
      }
      return;
    } catch (reason) {
      if (reason === LET_GO) continue;
      const error = TransferError.from(reason);
      if (!canGoOn) throw error;
      await retry.pause(error);
    }
  }
}

/** Throws PROTOCOL_ERROR for a position that is longer than any. */
export function checkedPosition(position: Uint8Array): Uint8Array {
  if (position.length <= MAX_POSITION_BYTES) return position;
  throw new TransferError('PROTOCOL_ERROR', `the server sent a position of ${position.length} bytes`);
}

/** Such a message is no progress, and does not say where the listing is. */
function isKeepAlive({ entries, omitted, position }: ListFilesResponse): boolean {
  return entries.length + omitted.length + position.length === 0;
}

async function* batches(
  channel: Channel,
  options: ResolvedOptions,
  request: ListFilesRequest,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListFilesResponse, void, undefined> {
  if (signal?.aborted) throw cancelledBy(signal);
  const call: ClientReadableStream<ListFilesResponse> = channel.stream('ListFiles', request);
  // Cancelling emits one more error after the iteration has ended.
  call.on('error', () => {});
  const ignoreSignal = onCancelled(signal, (error) => call.destroy(error));
  const watched = {
    deliveredBytes: 0,
    isPaused: false,
    fail: (error: TransferError) => void call.destroy(error),
  };
  const watch = new AttemptWatch(watched, channel, options);
  try {
    for await (const batch of call as AsyncIterable<ListFilesResponse>) {
      if (isKeepAlive(batch)) continue;
      watched.deliveredBytes += 1;
      watched.isPaused = true;
      let isLetGo = false;
      const letGo = () => {
        isLetGo = batch.position.length > 0;
        if (isLetGo) cancelCall(call);
      };
      const timer = setTimeout(letGo, options.stallTimeoutMs / LET_GO_PART).unref();
      try {
        yield batch;
      } finally {
        clearTimeout(timer);
      }
      if (isLetGo) throw LET_GO;
      watched.isPaused = false;
    }
  } catch (reason) {
    if (reason === LET_GO) throw LET_GO;
    throw channel.failureOf(reason as Error);
  } finally {
    watch.close();
    ignoreSignal();
    cancelCall(call);
  }
}
