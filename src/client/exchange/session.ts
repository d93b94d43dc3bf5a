/**
 * Many requests on one stream: what a program uses that reads many ranges or
 * many small files. Each request has its own credit, end and error, and none
 * waits for another's consumer.
 */
import type { FileInfo, ListEntry } from '../../wire/messages.ts';
import { brokenContract } from '../broken-contract.ts';
import type { Channel } from '../connection/channel.ts';
import { attributesOf } from '../file-attributes.ts';
import { entriesOf, type ListOptions } from '../list.ts';
import type { ResolvedOptions } from '../options.ts';
import { checkReceivedFile } from '../wire-size.ts';
import { Exchange } from './exchange.ts';
import type { SessionDirectoryOptions, SessionReadOptions, SessionWriteOptions } from './options.ts';
import type { RequestHost } from './request.ts';
import { ListRequest } from './requests/list.ts';
import { writeFile } from './requests/pack-write.ts';
import { ReadRequest, type SessionRead } from './requests/read.ts';
import { ask } from './requests/single.ts';

/**
 * Made by `SluiceClient.session`. Requests may be made at any time, any number at
 * once; those that the server has no room for wait here. A stream that is lost is
 * replaced, and what was open goes on where it was, within the client's `retry`.
 *
 * Rejects as the client does. UNIMPLEMENTED: the server is older than sessions;
 * the methods of the client do the same, one call each.
 */
export class SluiceSession implements AsyncDisposable {
  readonly #exchange: Exchange;
  readonly #onClosed: (session: SluiceSession) => void;

  /** @internal */
  constructor(channel: Channel, options: ResolvedOptions, onClosed: (session: SluiceSession) => void) {
    this.#exchange = new Exchange(channel, options);
    this.#onClosed = onClosed;
  }

  /** @internal What requests of packs are made on. */
  get host(): RequestHost {
    return this.#exchange;
  }

  /**
   * Reads a file, or a range of it. Iterate over the read for its chunks, which
   * are yours, or call its `buffer()`.
   *
   * The server sends only as much as the consumer takes, and one window more: 1 MiB,
   * up to 16 MiB while chunks are taken at once. Each chunk is checked by its CRC-32
   * before it is yielded, and the whole range before the iteration ends; with
   * `verify: false` only sizes are. Leaving the loop cancels the request.
   *
   * All bytes are of one version: VERSION_MISMATCH or FILE_CHANGED where the file
   * changed behind its first answer.
   */
  read(name: string, options: SessionReadOptions = {}): SessionRead {
    return new ReadRequest(this.#exchange, name, options);
  }

  /** Size, version, modification time, type and permission bits of a file. */
  async stat(name: string, options: { signal?: AbortSignal | undefined } = {}): Promise<FileInfo> {
    return await ask(this.#exchange, {
      kind: 'stat',
      name,
      signal: options.signal,
      fields: () => ({ stat: { fileName: name, digest: false } }),
      read: ({ info }) => {
        if (info) checkReceivedFile(info);
        return info ?? undefined;
      },
    });
  }

  /** The entries of a directory, as `SluiceClient.list`. */
  list(prefix = '', options: ListOptions = {}): AsyncGenerator<ListEntry, void, undefined> {
    const { onOmitted, recursive = false, signal } = options;
    return entriesOf(new ListRequest(this.#exchange, prefix, recursive, signal).batches(), onOmitted);
  }

  /**
   * Writes a small file whole; resolves with its version once it is durable. The
   * bytes must not change until then. INVALID_ARGUMENT for more bytes than the
   * server takes in one message: `SluiceClient.upload` takes any number.
   *
   * A write whose answer was lost is repeated. Where the file must not be there
   * then, or not in that version, it counts as written when it has these bytes.
   */
  async write(
    name: string,
    bytes: Uint8Array,
    options: SessionWriteOptions = {},
  ): Promise<{ version: string }> {
    return { version: await writeFile(this.#exchange, { ...options, name, bytes }, options.signal) };
  }

  /** Makes a directory, and those above it. One that is there already is fine. */
  async makeDirectory(name: string, options: SessionDirectoryOptions = {}): Promise<void> {
    const { mode, signal } = options;
    const directory = { fileName: name, ...attributesOf({ mode }) };
    await ask(this.#exchange, {
      kind: 'makeDirectory',
      name,
      signal,
      fields: () => ({ makeDirectory: directory }),
      read: () => {
        throw brokenContract('a directory was answered with something else than an end');
      },
      unanswered: true,
    });
  }

  /**
   * Makes no more requests; resolves when those that were made have their results
   * and the stream has ended. A read that nobody takes from holds that up. Never rejects.
   */
  async close(): Promise<void> {
    await this.#exchange.close();
    this.#onClosed(this);
  }

  /** Ends now: what has no result yet fails with CANCELLED. What `await using` calls, also behind an error. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exchange.abort();
    this.#onClosed(this);
  }
}
