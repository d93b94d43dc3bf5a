/** What a name stands for, as `ls` and `get -r` see it: the entries of a directory, or the one file. */
import { TransferError } from '../../../base/errors.ts';
import type { ListEntry } from '../../../wire/messages.ts';
import type { ListOptions } from '../../list.ts';
import type { TreeClient } from '../tree-client.ts';

/** Throws what a listing throws, except that a file is an entry and not an error. */
export async function* entriesOf(
  client: TreeClient,
  name: string,
  options: ListOptions & { signal: AbortSignal },
): AsyncGenerator<ListEntry, void, undefined> {
  try {
    yield* client.list(name, options);
  } catch (reason) {
    if (!(reason instanceof TransferError) || reason.code !== 'NOT_A_FILE') throw reason;
    const { contentType: _, ...file } = await client.stat(name, { signal: options.signal });
    yield { ...file, isDirectory: false };
  }
}
