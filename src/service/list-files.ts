import { LIST_BATCH_ENTRIES } from '../base/limits.ts';
import type { BulkCall } from '../flow/bulk-call.ts';
import type { ListEntry, ListFilesRequest, ListFilesResponse } from '../wire/messages.ts';
import type { RequestFacts, ServiceContext } from './context.ts';

/** ListFiles: batches of entries, the next one read only when the peer has taken the last. */
export async function listFiles(
  context: ServiceContext,
  call: BulkCall<ListFilesRequest, ListFilesResponse>,
  facts: RequestFacts,
): Promise<void> {
  const { prefix, recursive } = call.request;
  const closed = new AbortController();
  call.onClose(() => closed.abort());
  call.onAbandon((error) => closed.abort(error));
  let entries: ListEntry[] = [];
  facts.entries = 0;
  for await (const entry of context.store.list(prefix, { recursive, signal: closed.signal })) {
    entries.push(entry);
    facts.entries += 1;
    if (entries.length < LIST_BATCH_ENTRIES) continue;
    await call.send({ entries });
    entries = [];
  }
  if (entries.length > 0) await call.send({ entries });
}
