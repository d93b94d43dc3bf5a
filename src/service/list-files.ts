import type { TransferError } from '../base/errors.ts';
import { LIST_BATCH_BYTES, LIST_BATCH_ENTRIES } from '../base/limits.ts';
import type { BulkCall } from '../flow/calls/bulk-call.ts';
import { writePosition } from '../storage/listing-position.ts';
import type { Listed, LookAtEntries } from '../storage/store.ts';
import type { ListEntry, ListFilesRequest, ListFilesResponse, OmittedEntry } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';
import type { RequestFacts } from './prelude/request-log.ts';

/** Where the batches go. */
export interface ListOutlet {
  /** Resolves when the peer takes more, or nobody does. Throws why the listing has to end. */
  send(message: ListFilesResponse): Promise<void>;
  /** Calls `listener`, at least once, when nothing more is to be sent, with the reason. */
  onEnd(listener: (error: TransferError) => void): void;
}

/** ListFiles: a listing, as a call of its own. */
export async function listFiles(
  context: ServiceContext,
  request: ListFilesRequest,
  call: BulkCall<ListFilesRequest, ListFilesResponse>,
  facts: RequestFacts,
): Promise<void> {
  call.keepAlive(request.keepAliveMs, new Batch().message);
  await sendListing(context, request, call, facts);
}

/** Batches of entries, the next one read only when the peer has taken the last. */
export async function sendListing(
  context: ServiceContext,
  { after, prefix, recursive }: ListFilesRequest,
  outlet: ListOutlet,
  facts: RequestFacts,
): Promise<void> {
  const closed = new AbortController();
  outlet.onEnd((error) => closed.abort(error));
  let batch = new Batch();
  facts.entries = 0;
  const { engine, store } = context;
  const look: LookAtEntries = (paths) => engine.workers.look(paths);
  for await (const listed of store.list(prefix, { recursive, after, look, signal: closed.signal })) {
    batch.add(listed);
    facts.entries += listed.entry === undefined ? 0 : 1;
    if (!batch.isFull) continue;
    await outlet.send(batch.message);
    batch = new Batch();
  }
  if (!batch.isEmpty) await outlet.send(batch.message);
}

class Batch {
  readonly #entries: ListEntry[] = [];
  readonly #omitted: OmittedEntry[] = [];
  #position = '';
  #bytes = 0;

  add({ entry, omitted, position }: Listed): void {
    if (entry !== undefined) this.#entries.push(entry);
    if (omitted !== undefined)
      this.#omitted.push({ shownName: omitted.shownName, reason: `OMISSION_${omitted.reason}` });
    this.#position = position;
    this.#bytes += entry?.name.length ?? omitted?.shownName.length ?? 0;
  }

  get isEmpty(): boolean {
    return this.#entries.length + this.#omitted.length === 0;
  }

  get isFull(): boolean {
    return (
      this.#entries.length + this.#omitted.length >= LIST_BATCH_ENTRIES || this.#bytes >= LIST_BATCH_BYTES
    );
  }

  get message(): ListFilesResponse {
    return { entries: this.#entries, omitted: this.#omitted, position: writePosition(this.#position) };
  }
}
