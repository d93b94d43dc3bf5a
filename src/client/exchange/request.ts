/**
 * One request of a session, from its submission to its result, over as many
 * streams as that takes. A kind of request says what it asks, and does something
 * with what comes back; when it is sent, and sent again, is the exchange's business.
 *
 *   new ─submit─▶ queued ─room on a stream─▶ open ─end─▶ ending ─▶ settled
 *                  ▲  ▲                       │  │
 *                  │  └──waiting ◀─ failed, lost  │
 *                  └─bytes taken─ parked ◀─ lost, and nothing was awaited
 */
import type { ExchangeRequestKind } from '../../base/counters/counters.ts';
import type { TransferError } from '../../base/errors.ts';
import type { OpenSpan, SpanAttributes } from '../../base/tracing.ts';
import type { ExchangeAnswer } from '../../wire/exchange-answer.ts';
import type { ExchangeLimits, ExchangeRequest } from '../../wire/messages.ts';
import type { CodedChunk } from '../compression/chunk-coder.ts';
import { RetryBudget } from '../connection/retry.ts';
import type { ResolvedOptions } from '../options.ts';
import type { GrowthBudget } from './credit-window.ts';

/** `ending`: the server has ended it, and what has come is still being worked on. */
export type RequestState = 'new' | 'queued' | 'open' | 'ending' | 'waiting' | 'parked' | 'settled';

/** What the first message says beside the id. */
export type RequestFields = Omit<Partial<ExchangeRequest>, 'id' | 'cancel' | keyof TraceFields>;

/** What the first message says of the trace that the request belongs to. */
export type TraceFields = Partial<Pick<ExchangeRequest, 'traceparent' | 'tracestate'>>;

/** What a request sees of the exchange that sends it. */
export interface RequestHost {
  readonly options: ResolvedOptions;
  /** The chunk size to ask for. */
  readonly chunkBytes: number;
  /** By which windows of reads may grow, together. */
  readonly growth: GrowthBudget;
  /** The most credit of one request. */
  readonly maxCreditBytes: number;
  /** Sends it as soon as there is room for it. */
  submit(request: SessionRequest): void;
  /** More credit for a request that is open. */
  grant(request: SessionRequest, bytes: number): void;
  /** This attempt found something wrong. Another one follows, or the request is settled with the error. */
  failed(request: SessionRequest, error: TransferError): void;
  /** It has its result, or will have none. Cancels what is open of it. Does nothing the second time. */
  settle(request: SessionRequest, error?: TransferError): void;
}

export abstract class SessionRequest {
  state: RequestState = 'new';
  /** On the stream that it is open on. */
  id = 0;
  /** Ends a wait, and the look at the signal. */
  timer: NodeJS.Timeout | undefined;
  ignoreSignal: () => void = () => {};
  /** From its submission to its result, where that is traced. */
  span: OpenSpan | undefined;
  trace: TraceFields | undefined;
  /** It is sent only when the limits of the server are known, and its content in turn with that of others. */
  readonly isPack: boolean = false;
  /** What is asked for; undefined: nothing, it never goes out. */
  readonly kind: ExchangeRequestKind | undefined;
  /** For the log. */
  readonly name: string;
  readonly signal: AbortSignal | undefined;
  readonly budget: RetryBudget;
  protected readonly host: RequestHost;

  constructor(
    host: RequestHost,
    kind: ExchangeRequestKind | undefined,
    name: string,
    signal: AbortSignal | undefined,
  ) {
    this.host = host;
    this.kind = kind;
    this.name = name;
    this.signal = signal;
    this.budget = new RetryBudget(host.options.retry);
  }

  /** Nothing is awaited from the server: it has no credit. */
  get isHeldUp(): boolean {
    return false;
  }

  /** What its span says at the end. */
  get spanAttributes(): SpanAttributes {
    return {};
  }

  /** Another attempt may follow this one. */
  get canResume(): boolean {
    return true;
  }

  /** What a failure of an attempt means for the request. */
  meaningOf(error: TransferError): TransferError {
    return error;
  }

  /** Begins an attempt: what to ask for, from where the request stands. Throws what makes it impossible; may settle. */
  abstract begin(limits: ExchangeLimits | undefined): RequestFields;
  /** The content that it asks to write goes out in this form. */
  sentAs(_content: CodedChunk): void {}
  /** An answer, but for the last. Throws what is wrong with it. */
  abstract receive(answer: ExchangeAnswer): void;
  /** The server says that all went well. Throws what is wrong with that; settles now or later. */
  abstract end(): void;
  /** The attempt is over without a result. */
  interrupt(): void {}
  /** It may get more credit than before. */
  topUp(): void {}
  /** Called once, at the end. */
  abstract settled(error: TransferError | undefined): void;
}
