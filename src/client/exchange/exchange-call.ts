/**
 * One Exchange call: gives requests their ids, tells whose answer a message is,
 * and when the stream is lost. A request that was cancelled keeps its id, and its
 * place, until the server has ended it.
 */
import { type ClientDuplexStream, status } from '@grpc/grpc-js';
import { KeepAlive } from '../../base/async/keep-alive.ts';
import { TransferError } from '../../base/errors.ts';
import type { ExchangeAnswer } from '../../wire/exchange-answer.ts';
import type { ExchangeLimits, ExchangeRequest, Failure } from '../../wire/messages.ts';
import { brokenContract } from '../broken-contract.ts';
import { AttemptWatch, type WatchedAttempt } from '../connection/attempt-watch.ts';
import { cancelCall } from '../connection/cancellation.ts';
import type { Channel } from '../connection/channel.ts';
import { REQUESTS_BEFORE_LIMITS, SLOW_LINK_BYTES_PER_MS, UNDER_WAY_BYTES } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import { PackWrites } from './pack-writes.ts';
import type { RequestFields, SessionRequest } from './request.ts';

export interface CallListener {
  onLimits(limits: ExchangeLimits): void;
  onAnswer(request: SessionRequest, answer: ExchangeAnswer): void;
  /** The request could not be sent. */
  failed(request: SessionRequest, error: TransferError): void;
  /** The server has ended the request. */
  onEnd(request: SessionRequest, failure: Failure | null): void;
  /** There may be room for more requests. */
  onRoom(): void;
  /** Called once, when the stream is over, whether or not it was to end; `lost` are the requests that were open. */
  onOver(call: ExchangeCall, error: TransferError, lost: readonly SessionRequest[]): void;
}

/** Ids are uint32; a stream with so many requests behind it is replaced. */
const MAX_ID = 0xffff_ffff;

export class ExchangeCall implements WatchedAttempt {
  /** Messages and bytes in either direction: whether anything moves. */
  deliveredBytes = 0;
  /** Resolves when the stream is over. */
  readonly over: Promise<void>;
  readonly #channel: Channel;
  readonly #listener: CallListener;
  readonly #call: ClientDuplexStream<Partial<ExchangeRequest>, ExchangeAnswer>;
  readonly #watch: AttemptWatch;
  readonly #options: ResolvedOptions;
  readonly #keepAlive: KeepAlive | undefined;
  #written = 0;
  /** By id; undefined for those that were cancelled and not ended yet. */
  readonly #open = new Map<number, SessionRequest | undefined>();
  readonly #roomBefore: number;
  #limits: ExchangeLimits | undefined;
  /** Undefined before the limits have arrived. */
  #packs: PackWrites | undefined;
  #lastId = 0;
  #status: status | undefined;
  #isEnding = false;
  #isOver = false;
  #resolveOver!: () => void;

  /**
   * Throws when the client is closed.
   *
   * @param roomBefore how many requests the server had room for on the stream before
   */
  constructor(channel: Channel, options: ResolvedOptions, listener: CallListener, roomBefore: number) {
    this.#roomBefore = Math.min(roomBefore, REQUESTS_BEFORE_LIMITS);
    this.#channel = channel;
    this.#listener = listener;
    this.over = new Promise((resolve) => {
      this.#resolveOver = resolve;
    });
    const call = channel.exchange();
    this.#call = call;
    this.#options = options;
    if (options.keepAliveMs > 0) {
      this.#keepAlive = new KeepAlive(options.keepAliveMs, {
        sent: () => this.#written,
        maySpeak: () => this.#limits !== undefined && call.writableLength === 0,
        speak: () => this.#write({ id: 0 }),
      });
    }
    this.#watch = new AttemptWatch(this, channel, options);
    call.on('error', (failure) => this.fail(channel.failureOf(failure)));
    call.on('status', ({ code }) => {
      this.#status = code;
    });
    call.on('end', () => this.#onEnd());
    call.on('data', (answer: ExchangeAnswer) => this.#onAnswer(answer));
  }

  /** Undefined before they have arrived. */
  get limits(): ExchangeLimits | undefined {
    return this.#limits;
  }

  /** The server takes another request. */
  get hasRoom(): boolean {
    const comingCount = this.#packs?.codingCount ?? 0;
    if (this.#isEnding || this.#lastId + comingCount >= MAX_ID) return false;
    return this.#open.size + comingCount < (this.#limits?.maxRequests ?? this.#roomBefore);
  }

  /** Another write would not queue up in front of credit and small requests. */
  get takesPacks(): boolean {
    return this.#packs?.hasRoom === true;
  }

  /** No request is open. */
  get isIdle(): boolean {
    return this.#open.size === 0;
  }

  /** Nothing is awaited from the server. */
  get isPaused(): boolean {
    if (this.#packs === undefined || this.#isEnding || this.#packs.isSending) return false;
    for (const request of this.#open.values()) if (request === undefined || !request.isHeldUp) return false;
    return true;
  }

  get extraPatienceMs(): number {
    return Math.min(this.#packs?.unansweredBytes ?? 0, UNDER_WAY_BYTES) / SLOW_LINK_BYTES_PER_MS;
  }

  open(request: SessionRequest, fields: RequestFields): void {
    if (fields.write) this.#packs?.open(request, fields.write);
    else this.#send(request, fields);
  }

  grant({ id }: SessionRequest, bytes: number): void {
    if (!this.#isOver) this.#write({ id, credit: bytes });
  }

  /** Nothing more of it is told. */
  cancel(request: SessionRequest): void {
    const { id } = request;
    this.#packs?.cancel(request);
    if (this.#isOver || this.#open.get(id) === undefined) return;
    this.#open.set(id, undefined);
    this.#write({ id, cancel: true });
  }

  /** No request follows; what is open goes on to its end. Safe to call twice. */
  end(): void {
    if (this.#isEnding || this.#isOver) return;
    this.#isEnding = true;
    this.#keepAlive?.close();
    this.#call.end();
  }

  /** The stream is over; only the first call counts. */
  fail(error: TransferError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watch.close();
    this.#keepAlive?.close();
    // The call keeps its listeners: cancelling makes it emit one more error, and it flows to its end.
    cancelCall(this.#call);
    const open = [...this.#open.values()].filter((request) => request !== undefined);
    const lost = [...open, ...(this.#packs?.close() ?? [])];
    this.#open.clear();
    this.#listener.onOver(this, error, lost);
    this.#resolveOver();
  }

  #send(request: SessionRequest, fields: RequestFields, taken?: () => void): void {
    this.#lastId += 1;
    request.id = this.#lastId;
    this.#open.set(request.id, request);
    const { keepAliveMs } = this.#options;
    const first = this.#lastId === 1 ? { keepAliveMs } : {};
    this.#write({ id: request.id, ...fields, ...request.trace, ...first }, taken);
    // The next request goes on another stream.
    if (this.#lastId === MAX_ID) this.end();
  }

  #packsOf(limits: ExchangeLimits): PackWrites {
    const link = this.#channel.linkOf(this.#call);
    return new PackWrites(limits, this.#options.compression, link, {
      send: (request, fields, taken) => {
        const bytes = fields.write?.content.byteLength ?? 0;
        this.#send(request, fields, () => {
          this.deliveredBytes += bytes;
          taken();
        });
      },
      failed: (request, error) => this.#listener.failed(request, error),
      onRoom: () => {
        if (!this.#isOver) this.#listener.onRoom();
      },
    });
  }

  #write(message: Partial<ExchangeRequest>, taken?: () => void): void {
    this.#written += 1;
    this.#call.write(message, taken);
  }

  #onAnswer(answer: ExchangeAnswer): void {
    if (this.#isOver) return;
    // The server keeps the stream alive, which is no progress.
    if (this.#limits !== undefined && answer.response.id === 0) return;
    this.deliveredBytes += 1 + answer.encodedBytes;
    try {
      if (this.#limits === undefined) this.#takeLimits(answer);
      else this.#dispatch(answer);
    } catch (reason) {
      this.fail(TransferError.from(reason));
    }
  }

  #dispatch(answer: ExchangeAnswer): void {
    const { end, id } = answer.response;
    if (!this.#open.has(id)) throw brokenContract(`a message came for request ${id}, which is not open`);
    const request = this.#open.get(id);
    if (end) this.#ended(id, request, end.failure);
    else if (request !== undefined) this.#listener.onAnswer(request, answer);
  }

  #takeLimits({ response: { id, limits } }: ExchangeAnswer): void {
    if (!limits || id !== 0) throw brokenContract('the first message of the stream has no limits');
    const { maxCredit, maxRequests } = limits;
    if (maxRequests < 1 || !Number.isSafeInteger(maxCredit) || maxCredit < 1) {
      throw brokenContract(`the limits are ${maxRequests} requests and ${maxCredit} bytes of credit`);
    }
    this.#limits = limits;
    this.#packs = this.#packsOf(limits);
    this.#listener.onLimits(limits);
  }

  #ended(id: number, request: SessionRequest | undefined, failure: Failure | null): void {
    this.#open.delete(id);
    this.#packs?.ended(id);
    if (request !== undefined) this.#listener.onEnd(request, failure);
    this.#listener.onRoom();
  }

  #onEnd(): void {
    // The end of any other status has come, or comes, as an `error`.
    if (this.#status !== status.OK) return;
    if (this.isIdle) this.fail(new TransferError('UNAVAILABLE', 'the stream has ended'));
    else this.fail(brokenContract('the stream ended, and requests were open'));
  }
}
