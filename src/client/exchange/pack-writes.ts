/**
 * The packs that one stream writes. Each is coded when its turn comes, not ahead,
 * so that the choice sees the link as it is then. A few at a time: others queue up
 * in the exchange, where credit and small requests overtake them.
 *
 *   open ─▶ coding ─▶ sent ─taken by the transport─▶ unanswered ─end─▶ (none)
 */
import { contentTypeOf, mayCompress } from '../../base/content-type.ts';
import { TransferError } from '../../base/errors.ts';
import type { CallLink } from '../../flow/connections/call-link.ts';
import { codecInContract, codecsFromContract } from '../../wire/codec.ts';
import type { ExchangeLimits, WritePackRequest } from '../../wire/messages.ts';
import { CodecAccount } from '../codec-account.ts';
import type { ChunkCoder, CodedChunk } from '../compression/chunk-coder.ts';
import { UploadCompression } from '../compression/compression.ts';
import { OUTSTANDING_MESSAGES } from '../limits.ts';
import type { CompressionMode } from '../options.ts';
import type { RequestFields, SessionRequest } from './request.ts';

/** The stream, as packs see it. */
interface PackTransport {
  /** Gives the request its id and sends it; calls `taken` when the transport has it. */
  send(request: SessionRequest, fields: RequestFields, taken: () => void): void;
  failed(request: SessionRequest, error: TransferError): void;
  /** There may be room for another pack. */
  onRoom(): void;
}

export class PackWrites {
  readonly #transport: PackTransport;
  /** Also what is of a compressed type. */
  readonly #triesAll: boolean;
  readonly #coder: ChunkCoder;
  readonly #coding = new Set<SessionRequest>();
  /** Sent, and not taken by the transport. */
  #outstanding = 0;
  /** Bytes of content that was sent and is not answered: of each id, and their sum. */
  readonly #contentBytes = new Map<number, number>();
  #unansweredBytes = 0;

  /** For a stream whose limits have just arrived. `link` is undefined where unknown. */
  constructor(
    { acceptedCodecs, takesPings }: ExchangeLimits,
    mode: CompressionMode,
    link: CallLink | undefined,
    transport: PackTransport,
  ) {
    this.#transport = transport;
    const codecs = codecsFromContract(acceptedCodecs);
    const account = new CodecAccount();
    this.#triesAll = mode === 'always';
    this.#coder = new UploadCompression({ mode, isCompressible: true, codecs, takesPings, account }).coder();
    this.#coder.began(link);
  }

  /** Another write would not queue up in front of credit and small requests. */
  get hasRoom(): boolean {
    return this.#coding.size + this.#outstanding < OUTSTANDING_MESSAGES;
  }

  /** Packs that will get an id. */
  get codingCount(): number {
    return this.#coding.size;
  }

  /** The transport has not taken all that was sent. */
  get isSending(): boolean {
    return this.#outstanding > 0;
  }

  get unansweredBytes(): number {
    return this.#unansweredBytes;
  }

  /** Sends a pack as soon as it is coded. Its content must not change before it is answered. */
  open(request: SessionRequest, write: WritePackRequest): void {
    if (this.#coding.size + this.#outstanding === 0) this.#coder.idled();
    this.#coding.add(request);
    void this.#send(request, write);
  }

  /** The server has ended the request with this id. */
  ended(id: number): void {
    this.#unansweredBytes -= this.#contentBytes.get(id) ?? 0;
    this.#contentBytes.delete(id);
  }

  /** A pack that is still being coded is not sent. */
  cancel(request: SessionRequest): void {
    this.#coding.delete(request);
  }

  /** The stream is over. Returns the packs that were being coded; they are not sent. */
  close(): SessionRequest[] {
    const left = [...this.#coding];
    this.#coding.clear();
    this.#coder.close();
    return left;
  }

  /** Never rejects. */
  async #send(request: SessionRequest, write: WritePackRequest): Promise<void> {
    try {
      const content = await this.#coded(write);
      if (this.#coding.delete(request)) this.#write(request, write, content);
    } catch (reason) {
      if (this.#coding.delete(request)) this.#transport.failed(request, TransferError.from(reason));
    }
    this.#transport.onRoom();
  }

  async #coded({ content, files }: WritePackRequest): Promise<CodedChunk> {
    const isTried = this.#triesAll || files.some(({ fileName }) => mayCompress(contentTypeOf(fileName)));
    return isTried ? await this.#coder.coded(content) : this.#coder.plain(content);
  }

  #write(request: SessionRequest, write: WritePackRequest, content: CodedChunk): void {
    const bytes = content.bytes.byteLength;
    request.sentAs(content);
    this.#outstanding += 1;
    this.#coder.wrote(content);
    this.#transport.send(request, { write: { ...write, ...contentFields(content) } }, () => {
      this.#outstanding -= 1;
      this.#coder.drained();
      this.#transport.onRoom();
    });
    this.#contentBytes.set(request.id, bytes);
    this.#unansweredBytes += bytes;
  }
}

function contentFields({ bytes, coding: { codec }, rawBytes }: CodedChunk) {
  if (codec === 'identity') return { content: bytes };
  return { content: bytes, compressed: true, rawSize: rawBytes, codec: codecInContract(codec) };
}
