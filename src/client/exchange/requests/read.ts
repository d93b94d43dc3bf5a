/**
 * A range of a file on a session: resumed from its next byte, pinned to one
 * version, and sent only as fast as its consumer takes chunks.
 */
import { TransferError } from '../../../base/errors.ts';
import type { ExchangeLimits, FileInfo, StreamFileResponse } from '../../../wire/messages.ts';
import { brokenContract } from '../../broken-contract.ts';
import { requestOf } from '../../download/options.ts';
import { Position } from '../../download/position.ts';
import type { RangeReceiver } from '../../download/range-receiver.ts';
import { ownedChunk } from '../../download/sinks/owned-chunk.ts';
import { streamRequest } from '../../download/stream-request.ts';
import { BUFFER_BYTES, MAX_READ_WINDOW_BYTES, READ_WINDOW_BYTES } from '../../limits.ts';
import { inRange, oneOf, type ResolvedOptions } from '../../options.ts';
import { CreditWindow } from '../credit-window.ts';
import type { BufferOptions, SessionReadOptions } from '../options.ts';
import type { RequestFields, RequestHost } from '../request.ts';
import { TakeQueue } from '../take-queue.ts';
import { RangeRequest } from './range.ts';

/**
 * A read on a session. It begins when its bytes or its `file` are first asked
 * for, and can be iterated once.
 */
export interface SessionRead extends AsyncIterable<Uint8Array<ArrayBuffer>> {
  /** What the file is, as soon as the server has said so; all bytes are of this version. */
  readonly file: Promise<FileInfo>;
  /** All bytes of the range, once length and checksums have agreed. */
  buffer(options?: BufferOptions): Promise<Uint8Array<ArrayBuffer>>;
}

export class ReadRequest extends RangeRequest implements SessionRead {
  protected override readonly window: CreditWindow;
  protected override readonly position: Position;
  readonly #options: Pick<ResolvedOptions, 'compression' | 'verify'>;
  readonly #queue = new TakeQueue<Uint8Array<ArrayBuffer>>();
  readonly #sink = {
    needsCrc32: false,
    begin: (file: FileInfo) => this.#told?.resolve(file),
    write: (bytes: Uint8Array) => this.#deliver(bytes),
  };
  #heldBytes = 0;
  #isIterated = false;
  #error: TransferError | undefined;
  #told: { resolve(file: FileInfo): void; reject(error: TransferError): void } | undefined;
  #file: Promise<FileInfo> | undefined;

  /** Throws INVALID_ARGUMENT for a bad option. */
  constructor(host: RequestHost, name: string, options: SessionReadOptions) {
    super(host, 'read', name, options.signal);
    const { compression = host.options.compression } = options;
    oneOf('compression', compression, ['auto', 'never', 'always']);
    this.#options = { compression, verify: host.options.verify };
    this.position = new Position(requestOf(name, options));
    this.window = new CreditWindow(READ_WINDOW_BYTES, MAX_READ_WINDOW_BYTES, host.growth);
  }

  get file(): Promise<FileInfo> {
    this.#file ??= new Promise((resolve, reject) => {
      this.#told = { resolve, reject };
      if (this.position.file !== undefined) resolve(this.position.file);
      else if (this.state === 'settled') reject(this.#error ?? endedEarly());
      else this.#start();
    });
    return this.#file;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    if (this.#isIterated)
      throw new TransferError('INVALID_ARGUMENT', `${this.name} is read already; read it again`);
    this.#isIterated = true;
    return this.#chunks();
  }

  async buffer({ maxBytes = BUFFER_BYTES }: BufferOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    inRange('maxBytes', maxBytes, 0, Number.MAX_SAFE_INTEGER);
    const chunks = this[Symbol.asyncIterator]();
    const size = await this.#sizeWithin(maxBytes, chunks);
    let whole: Uint8Array<ArrayBuffer> | undefined;
    let at = 0;
    for await (const chunk of chunks) {
      if (chunk.byteLength === size) whole = chunk;
      else {
        whole ??= new Uint8Array(size);
        whole.set(chunk, at); // copy: the chunks of a range become one
      }
      at += chunk.byteLength;
    }
    return whole ?? new Uint8Array(0);
  }

  override begin(_limits: ExchangeLimits | undefined): RequestFields {
    const credit = this.beginRange(this.#options, this.#sink);
    const { position } = this;
    return {
      credit,
      // The stream has keep-alive messages of its own.
      read: streamRequest({
        options: { ...this.#options, keepAliveMs: 0 },
        position,
        chunkBytes: this.host.chunkBytes,
      }),
    };
  }

  override interrupt(): void {
    this.receiver?.close();
    this.receiver = undefined;
    this.window.interrupt(this.#heldBytes);
  }

  override settled(error: TransferError | undefined): void {
    this.#error = error;
    this.window.close();
    this.#queue.end(error);
    this.#told?.reject(error ?? endedEarly());
  }

  protected override named(receiver: RangeReceiver, { file }: StreamFileResponse): void {
    if (receiver.isPinned !== !file)
      throw brokenContract('the first answer to a read, and no other, names the file');
    if (file) receiver.pin(file, false);
  }

  #start(): void {
    if (this.state === 'new') this.host.submit(this);
  }

  async *#chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    this.#start();
    try {
      for (let chunk = await this.#queue.next(); chunk !== undefined; chunk = await this.#queue.next()) {
        this.#heldBytes -= chunk.byteLength;
        this.window.taken(chunk.byteLength);
        this.topUp();
        yield chunk;
      }
    } finally {
      this.host.settle(this);
    }
  }

  #deliver(bytes: Uint8Array): void {
    const { byteLength } = bytes;
    this.#heldBytes += byteLength;
    this.budget.refill();
    this.#queue.push(ownedChunk(bytes));
  }

  /** Bytes of the range. Throws INVALID_ARGUMENT, and ends the read, where they are too many. */
  async #sizeWithin(maxBytes: number, chunks: AsyncGenerator<unknown>): Promise<number> {
    const { size } = await this.file;
    const { request } = this.position;
    const bytes = Math.min(size - request.start, request.limit ?? size);
    if (bytes <= maxBytes) return bytes;
    await chunks.return(undefined);
    this.host.settle(this);
    throw new TransferError(
      'INVALID_ARGUMENT',
      `${this.name}: the range has ${bytes} bytes, and buffer() takes ${maxBytes}; raise maxBytes or iterate over the read`,
    );
  }
}

function endedEarly(): TransferError {
  return new TransferError('CANCELLED', 'the read was left before the server had named the file');
}
