/**
 * The names in a directory, sorted, in bounded memory. A directory is read from
 * start to end, in batches; when its names exceed the memory, the first ones are
 * listed and the directory is read again for the next.
 */
import type { Dir } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { TransferError } from '../../../base/errors.ts';
import type { Directory } from '../directory.ts';
import type { ListingShare } from './listing-share.ts';
import { NameWindow } from './name-window.ts';

/** Names read at once: a millisecond of the event loop. */
const BATCH_NAMES = 1024;

/**
 * The names of `directory` behind `after` (undefined: all), each as `entry-name.ts` has them, `batchNames` at
 * a time. Throws system errors, and CANCELLED at the signal.
 */
export async function* sortedNames(
  directory: Directory,
  after: string | undefined,
  share: ListingShare,
  batchNames: number,
  signal?: AbortSignal,
): AsyncGenerator<string[], void, undefined> {
  for (let from = after; ; ) {
    let leased = share.take();
    try {
      const window = new NameWindow(leased);
      await share.readers.run(() => readInto(window, directory, from, share, signal));
      // Unused memory goes back to other listings.
      const unused = Math.max(0, leased - window.bytes);
      share.giveBack(unused);
      leased -= unused;
      yield* inBatches(window.drain(), batchNames);
      if (window.cutAfter === undefined) return;
      from = window.cutAfter;
    } finally {
      share.giveBack(leased);
    }
  }
}

function* inBatches(names: Iterable<string>, batchNames: number): Generator<string[], void, undefined> {
  let batch: string[] = [];
  for (const name of names) {
    batch.push(name);
    if (batch.length < batchNames) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function readInto(
  window: NameWindow,
  directory: Directory,
  after: string | undefined,
  { batches }: ListingShare,
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal);
  const entries = await opendir(directory.pathOf('.'), { encoding: 'latin1', bufferSize: BATCH_NAMES });
  try {
    for (let isComplete = false; !isComplete; ) {
      throwIfAborted(signal);
      isComplete = await batches.run(async () => {
        const names = await nextNames(entries);
        await window.add(after === undefined ? names : names.filter((name) => name > after));
        return names.length < BATCH_NAMES;
      });
    }
  } finally {
    await entries.close();
  }
}

/** Fewer than `BATCH_NAMES` only at the end. */
async function nextNames(entries: Dir): Promise<string[]> {
  const names: string[] = [];
  while (names.length < BATCH_NAMES) {
    const entry = await entries.read();
    if (entry === null) break;
    names.push(entry.name);
  }
  return names;
}

/** Throws CANCELLED, or the TransferError that the signal was aborted with. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  if (signal.reason instanceof TransferError) throw signal.reason;
  throw new TransferError('CANCELLED', 'the listing was cancelled', { cause: signal.reason });
}
