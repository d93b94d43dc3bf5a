/**
 * The client of a transfer service: what a program or a command line calls.
 * One instance is the connections to one target, shared by any number of
 * transfers at the same time.
 */
import type { Writable } from 'node:stream';
import { TransferError } from '../base/errors.ts';
import { MIN_WINDOW_BYTES } from '../base/limits.ts';
import { Turn } from '../flow/connections/turn.ts';
import type {
  DeleteFileRequest,
  DeleteFileResponse,
  FileInfo,
  GetFileSizeRequest,
  GetFileSizeResponse,
  ListEntry,
  MakeDirectoryRequest,
  MakeDirectoryResponse,
  StatFileRequest,
  StatFileResponse,
} from '../wire/messages.ts';
import { Channel } from './connection/channel.ts';
import { Interruptions } from './connection/interruptions.ts';
import { Retry, UNANSWERED } from './connection/retry.ts';
import { parseTarget } from './connection/target.ts';
import { download } from './download/download.ts';
import type { DownloadOptions, DownloadResult, StreamOptions } from './download/options.ts';
import { streamFile } from './download/stream.ts';
import { SluiceSession } from './exchange/session.ts';
import { attributesOf } from './file-attributes.ts';
import { LaneChannels } from './lanes/channels.ts';
import { DEFAULT_CONNECTIONS, FINISH_BYTES_PER_MS } from './limits.ts';
import { type ListOptions, listEntries } from './list.ts';
import { type ClientOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import type { TreeOptions, TreeResult } from './tree/options.ts';
import { downloadTree, uploadTree } from './tree/tree.ts';
import { UploadServers } from './upload/channels.ts';
import type { UploadOptions, UploadResult, UploadSource } from './upload/options.ts';
import { upload } from './upload/upload.ts';
import { checkReceivedFile, receivedSize } from './wire-size.ts';

export interface CallOptions {
  /** Aborting rejects with CANCELLED, a timeout (`AbortSignal.timeout`) with DEADLINE_EXCEEDED. */
  signal?: AbortSignal | undefined;
}

export interface StatOptions extends CallOptions {
  /**
   * Tell the SHA-256 of the content too, which may take the server as long as reading the whole file. Servers that
   * cannot leave it out. Default: only where the server knows it.
   */
  digest?: boolean | undefined;
}

export interface DeleteOptions extends CallOptions {
  /** Delete only this version; any other is VERSION_MISMATCH. */
  ifMatch?: string | undefined;
}

export interface MakeDirectoryOptions extends CallOptions {
  /** Permission bits of a new directory; the server sets those of 0777. Default: those of any new one. */
  mode?: number | undefined;
}

/**
 * Every method rejects with a `TransferError`: the server's codes, CANCELLED
 * or DEADLINE_EXCEEDED after the caller's signal, UNAVAILABLE when nothing answers, PROTOCOL_ERROR
 * for a server that breaks the contract. Transfers resume by themselves.
 */
export class SluiceClient {
  readonly #channel: Channel;
  readonly #downloadChannels: LaneChannels;
  readonly #uploadServers: UploadServers;
  readonly #options: ResolvedOptions;
  readonly #sessions = new Set<SluiceSession>();

  /**
   * Connects with the first call.
   *
   * @param target `host:port` (port 50051 when left out), `[v6]:port`, `unix:/path`,
   *   `dns:///host:port`; several servers as `host:port,host:port` or as an array
   * @throws TransferError INVALID_ARGUMENT for a malformed target or option
   */
  constructor(target: string | readonly string[], options: ClientOptions = {}) {
    this.#options = resolveOptions(options);
    const interruptions = new Interruptions(
      this.#options.logger,
      this.#options.tracing,
      this.#options.retry.outageMs,
    );
    const parsed = parseTarget(target);
    this.#channel = new Channel(parsed, this.#options, interruptions);
    this.#downloadChannels = new LaneChannels((index) => {
      if (index === 0) return this.#channel;
      // Each begins with another server, where there are several.
      const own = { purpose: 'download', turn: new Turn(index) } as const;
      return new Channel(parsed, laneOptions(this.#options), interruptions, own);
    });
    this.#uploadServers = new UploadServers(parsed, this.#options, interruptions);
  }

  /** The size of a file in bytes. */
  async getFileSize(name: string, options: CallOptions = {}): Promise<number> {
    const response = await this.#unary<GetFileSizeRequest, GetFileSizeResponse>(
      'GetFileSize',
      { fileName: name },
      options.signal,
    );
    return receivedSize(response.size, name);
  }

  /** Size, version, modification time, type and permission bits of a file; its digest too, where it is asked for or known. */
  async stat(name: string, { digest = false, signal }: StatOptions = {}): Promise<FileInfo> {
    const file = await this.#stat({ fileName: name, digest: false }, signal);
    if (!digest || file.digest !== undefined) return file;
    return await this.#stat({ fileName: name, digest }, signal, file.size / FINISH_BYTES_PER_MS);
  }

  async #stat(request: StatFileRequest, signal: AbortSignal | undefined, workMs = 0): Promise<FileInfo> {
    const { file } = await this.#unary<StatFileRequest, StatFileResponse>(
      'StatFile',
      request,
      signal,
      workMs,
    );
    const name = request.fileName;
    if (file === null)
      throw new TransferError('PROTOCOL_ERROR', `the server sent no information about ${name}`);
    checkReceivedFile(file);
    return file;
  }

  /** The entries of a directory, as the server sorts them. Without a prefix: of the root. */
  async *list(prefix = '', options: ListOptions = {}): AsyncGenerator<ListEntry, void, undefined> {
    yield* listEntries(this.#open(), this.#options, prefix, options);
  }

  /**
   * Fetches a file, or a range of it, to a target.
   *
   * A path gets the bytes through `<path>.part`, which a later call with the
   * same arguments resumes; the file appears under its name only when it is
   * complete, verified and durable. A stream gets verified bytes in order; it is
   * ended after the last one and destroyed after a failure.
   *
   * Besides the codes above: LOCAL_IO for the target, VERSION_MISMATCH or
   * FILE_CHANGED when the file changed after a stream got its first bytes.
   */
  async download(
    name: string,
    target: string | Writable | WritableStream<Uint8Array>,
    options: DownloadOptions = {},
  ): Promise<DownloadResult> {
    this.#open();
    return await this.#options.tracing.operation(
      'sluice download',
      { 'sluice.file': name },
      () => download(this.#downloadChannels, this.#options, name, target, options),
      transferAttributes,
    );
  }

  /**
   * The verified chunks of a file, in order; the consumer owns each one. The
   * iteration ends only after length and checksums of the whole range agreed,
   * and throws otherwise. Leaving the loop early cancels the call.
   */
  stream(
    name: string,
    options: StreamOptions = {},
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    // Not a generator itself: delegation would cost a microtask for every chunk.
    return streamFile(this.#downloadChannels, this.#options, name, options);
  }

  /**
   * Sends a file to the server, where it appears under its name complete, verified
   * and durable, or not at all.
   *
   * A path is sent in parts over a few connections; interrupted, also by the
   * death of the process, a later call with the same arguments resumes it. A
   * stream is sent in order and cannot be resumed by another call; it is
   * destroyed after a failure.
   *
   * Besides the codes above: ALREADY_EXISTS or VERSION_MISMATCH for what is
   * under the name, LOCAL_IO for the source, FILE_CHANGED for one that does not
   * stop changing, TAKEN_OVER when another process sends the same source there.
   */
  async upload(source: UploadSource, name: string, options: UploadOptions = {}): Promise<UploadResult> {
    this.#open();
    return await this.#options.tracing.operation(
      'sluice upload',
      { 'sluice.file': name },
      () => upload(this.#uploadServers, this.#options, source, name, options),
      transferAttributes,
    );
  }

  /**
   * Fetches what is below `prefix` on the server, '' for everything, into `directory`: small files in packs, large
   * ones beside them, empty directories, permission bits and times of change too. A file that is there with the same
   * size and is not older is skipped, so that a later call with the same arguments resumes an interrupted one.
   *
   * Nothing is written outside of `directory`, not through a symbolic link either. A `prefix` that is one file goes
   * into `directory` under its last component. The tree is never held whole, however many files it has.
   *
   * Resolves also where single files failed or were left out: look at `failedFiles` and `leftOut`. Rejects with what
   * concerns all files (the prefix does not exist, no server, a full disk, the caller's signal); what has moved
   * stays.
   */
  async downloadTree(prefix: string, directory: string, options: TreeOptions = {}): Promise<TreeResult> {
    this.#open();
    return await downloadTree(this, prefix, directory, options);
  }

  /**
   * Sends what is in `directory` to below `prefix` on the server, '' for its root; otherwise as `downloadTree`.
   *
   * Symbolic links and special files are left out. A `directory` that is one file goes below `prefix` under its own
   * name. Directories that are on the server already keep their permission bits.
   */
  async uploadTree(directory: string, prefix: string, options: TreeOptions = {}): Promise<TreeResult> {
    this.#open();
    return await uploadTree(this, directory, prefix, options);
  }

  /**
   * Many requests on one stream: `await using session = client.session();`. It
   * connects with its first request, and is closed by whoever has opened it.
   */
  session(): SluiceSession {
    const session = new SluiceSession(this.#open(), this.#options, (closed) => this.#sessions.delete(closed));
    this.#sessions.add(session);
    return session;
  }

  /**
   * Removes a file. Throws NOT_FOUND when there is none, except after a retry: the
   * call before it may have removed the file.
   */
  async delete(name: string, options: DeleteOptions = {}): Promise<void> {
    const { ifMatch = '', signal } = options;
    await this.#delete({ fileName: name, ifMatch, directory: false }, signal);
  }

  /**
   * Removes an empty directory. Throws NOT_EMPTY for any other, and NOT_FOUND
   * as `delete` does; NOT_A_FILE for what is no directory, and from a server
   * that only removes files.
   */
  async deleteDirectory(name: string, options: CallOptions = {}): Promise<void> {
    await this.#delete({ fileName: name, ifMatch: '', directory: true }, options.signal);
  }

  /**
   * Makes a directory and those above it. One that is there is left as it is.
   * Throws NOT_A_FILE where something else is in the way.
   */
  async makeDirectory(name: string, { mode, signal }: MakeDirectoryOptions = {}): Promise<void> {
    const request = { fileName: name, ...attributesOf({ mode }) };
    await this.#unary<MakeDirectoryRequest, MakeDirectoryResponse>('MakeDirectory', request, signal);
  }

  async #delete(request: DeleteFileRequest, signal: AbortSignal | undefined): Promise<void> {
    const channel = this.#open();
    let isRepeated = false;
    const retry = new Retry({
      retry: this.#options.retry,
      channel,
      what: UNANSWERED,
      name: request.fileName,
      signal,
      onWait: ({ code }) => {
        // After any other failure the server may have done it.
        isRepeated ||= code !== 'RESOURCE_EXHAUSTED' && channel.hasConnected;
      },
    });
    try {
      await this.#options.tracing.operation('sluice DeleteFile', { 'sluice.file': request.fileName }, () =>
        retry.run(() => channel.unary<DeleteFileRequest, DeleteFileResponse>('DeleteFile', request, signal)),
      );
    } catch (reason) {
      if (isRepeated && reason instanceof TransferError && reason.code === 'NOT_FOUND') return;
      throw reason;
    }
  }

  /**
   * Calls that run on an established connection continue to their end, and so do sessions,
   * which take no more requests; all others end now. Every socket is closed with the last call, whatever state it is in. A
   * transfer that is interrupted after this does not resume. A running look-up of a
   * host name cannot be cancelled: it keeps the process alive until the system's
   * resolver answers or gives up. Safe to call twice.
   */
  close(): void {
    for (const session of this.#sessions) void session.close();
    this.#channel.close();
    this.#downloadChannels.close();
    this.#uploadServers.close();
    this.#options.renewableTls?.close();
  }

  async #unary<Request extends { fileName: string }, Response>(
    method: 'GetFileSize' | 'StatFile' | 'MakeDirectory',
    request: Request,
    signal: AbortSignal | undefined,
    workMs = 0,
  ): Promise<Response> {
    const channel = this.#open();
    const retry = new Retry({ retry: this.#options.retry, channel, what: UNANSWERED, signal });
    return await this.#options.tracing.operation(
      `sluice ${method}`,
      { 'sluice.file': request.fileName },
      () => retry.run(() => channel.unary<Request, Response>(method, request, signal, workMs)),
    );
  }

  #open(): Channel {
    this.#channel.assertOpen();
    return this.#channel;
  }
}

/** Further connections of a download share what windows one more could have. */
function laneOptions(options: ResolvedOptions): ResolvedOptions {
  const share = Math.floor(options.maxWindowBytes / DEFAULT_CONNECTIONS);
  return { ...options, maxWindowBytes: Math.max(MIN_WINDOW_BYTES, share) };
}

function transferAttributes({
  attempts,
  bytes,
  restarts,
  resumedBytes,
  wireBytes,
}: DownloadResult | UploadResult) {
  return {
    'sluice.bytes': bytes,
    'sluice.resumed_bytes': resumedBytes,
    'sluice.wire_bytes': wireBytes,
    'sluice.attempts': attempts,
    'sluice.restarts': restarts,
  };
}
