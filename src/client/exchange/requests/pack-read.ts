/**
 * Many small files as one sequence of bytes: for each, one byte that says whether
 * what follows is what was asked for, then its content. What was interrupted in
 * the middle of a file is asked for from the beginning of that file: only the byte
 * in front tells whether its content can be trusted.
 */
import { TransferError } from '../../../base/errors.ts';
import { codecInContract, RUNTIME_CODECS } from '../../../wire/codec.ts';
import type { PackedFile, StreamFileResponse } from '../../../wire/messages.ts';
import { brokenContract } from '../../broken-contract.ts';
import { CodecAccount, type CodecBytes, type CodedBytes } from '../../codec-account.ts';
import { Position } from '../../download/position.ts';
import type { RangeReceiver } from '../../download/range-receiver.ts';
import { compressionWish } from '../../download/stream-request.ts';
import { CreditWindow } from '../credit-window.ts';
import type { RequestFields, RequestHost } from '../request.ts';
import { TakeQueue } from '../take-queue.ts';
import { RangeRequest } from './range.ts';

/** In front of the content of a file that is as it was asked for. */
const AS_ASKED = 0;

/** A file of a pack, with its share of what came, or undefined where the server does not have it as asked. */
export type PackedContent = { readonly bytes: Uint8Array; readonly codecs: CodecBytes } | undefined;

export interface PackReadOptions {
  signal?: AbortSignal | undefined;
}

class PackReadRequest extends RangeRequest {
  override readonly isPack = true;
  protected override readonly window: CreditWindow;
  protected override position: Position;
  readonly #files: readonly PackedFile[];
  readonly #queue = new TakeQueue<{ content: PackedContent }>();
  /** Chunks that have come and are not delivered yet. */
  readonly #chunks: CodedBytes[] = [];
  readonly #codecs = {
    note: (codec: CodedBytes['codec'], rawBytes: number, wireBytes: number) =>
      this.#chunks.push({ codec, rawBytes, wireBytes }),
  };
  readonly #sink = { needsCrc32: false, begin: () => {}, write: (bytes: Uint8Array) => this.#split(bytes) };
  /** Files of which all bytes have come. */
  #completeFiles = 0;
  /** What has come of the next file, from its first byte on. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #account = new CodecAccount();

  constructor(host: RequestHost, files: readonly PackedFile[], options: PackReadOptions) {
    super(host, 'readPack', `a pack of ${files.length} files`, options.signal);
    this.#files = files;
    const bytes = packBytes(files);
    // A pack is small, and wanted whole: its window is all of it.
    this.window = new CreditWindow(bytes, bytes, host.growth);
    this.position = positionOf(this.name, bytes);
  }

  async *contents(): AsyncGenerator<PackedContent, void, undefined> {
    this.host.submit(this);
    try {
      for (let next = await this.#queue.next(); next !== undefined; next = await this.#queue.next()) {
        yield next.content;
      }
    } finally {
      this.host.settle(this);
    }
  }

  override begin(): RequestFields {
    const files = this.#files.slice(this.#completeFiles);
    this.position = positionOf(this.name, packBytes(files));
    this.#beginFile();
    this.#chunks.length = 0;
    const { options, chunkBytes } = this.host;
    const credit = this.beginRange(options, this.#sink, this.#codecs);
    // Every answer is of the pack.
    this.receiver?.pin(this.position.file as NonNullable<Position['file']>, false);
    const readPack = {
      files,
      start: 0,
      chunkSize: chunkBytes,
      wantChecksums: options.verify,
      compression: compressionWish(options.compression),
      acceptedCodecs: options.compression === 'never' ? [] : RUNTIME_CODECS.map(codecInContract),
    };
    return { credit, readPack };
  }

  /** Asked for again, the file that changed is not as asked, and the others are as before. */
  override meaningOf(error: TransferError): TransferError {
    if (error.code !== 'FILE_CHANGED') return error;
    return new TransferError('ABORTED', error.message, { cause: error });
  }

  override interrupt(): void {
    this.receiver?.close();
    this.receiver = undefined;
    this.window.interrupt(0);
  }

  override settled(error: TransferError | undefined): void {
    this.window.close();
    this.#queue.end(error);
  }

  protected override named(_receiver: RangeReceiver, { file }: StreamFileResponse): void {
    if (file) throw brokenContract('an answer to a pack names a file');
  }

  #split(bytes: Uint8Array): void {
    this.window.taken(bytes.byteLength);
    this.topUp();
    const chunk = this.#chunks.shift() as CodedBytes;
    for (let at = 0; at < bytes.byteLength; ) {
      const { size } = this.#files[this.#completeFiles] as PackedFile;
      const end = Math.min(bytes.byteLength, at + size + 1 - this.#partBytes);
      this.#parts.push(bytes.subarray(at, end));
      // The byte in front is nobody's.
      this.#account.noteShare(chunk, end - at - (this.#partBytes === 0 ? 1 : 0));
      this.#partBytes += end - at;
      at = end;
      if (this.#partBytes === size + 1) this.#complete();
    }
  }

  #complete(): void {
    const [first] = this.#parts as [Uint8Array];
    const whole = this.#parts.length === 1 ? first : Buffer.concat(this.#parts); // copy: a file that chunks have cut
    const codecs = this.#account.total;
    this.#beginFile();
    this.#completeFiles += 1;
    this.budget.refill();
    const isAsAsked = whole[0] === AS_ASKED;
    this.#queue.push({ content: isAsAsked ? { bytes: whole.subarray(1), codecs } : undefined });
  }

  #beginFile(): void {
    this.#parts = [];
    this.#partBytes = 0;
    this.#account = new CodecAccount();
  }
}

/**
 * The contents of many small files, in their order, checked. Each is a view that
 * may share its memory with those beside it. Undefined: the file is not, or no
 * longer, what was asked for, and a read of it says why.
 *
 * The caller keeps to the limits of a pack, which `packLimits` tells, and asks for at least
 * one file.
 */
export function readPack(
  host: RequestHost,
  files: readonly PackedFile[],
  options: PackReadOptions = {},
): AsyncGenerator<PackedContent, void, undefined> {
  return new PackReadRequest(host, files, options).contents();
}

function packBytes(files: readonly PackedFile[]): number {
  return files.reduce((bytes, { size }) => bytes + size + 1, 0);
}

/** At the beginning of a pack, which is known from the request. */
function positionOf(name: string, size: number): Position {
  const position = new Position({ name, start: 0, limit: undefined, ifMatch: '' });
  position.pin({ name, size, version: '', modifiedMs: 0, contentType: '' }, false);
  return position;
}
