/** A request with one answer at most, and no credit. */
import type { ExchangeRequestKind } from '../../../base/counters/counters.ts';
import type { TransferError } from '../../../base/errors.ts';
import type { ExchangeAnswer } from '../../../wire/exchange-answer.ts';
import type { ExchangeLimits, ExchangeResponse } from '../../../wire/messages.ts';
import { brokenContract } from '../../broken-contract.ts';
import type { CodedChunk } from '../../compression/chunk-coder.ts';
import { type RequestFields, type RequestHost, SessionRequest } from '../request.ts';

export interface SingleQuestion<Answer> {
  /** Undefined: it never goes out. */
  readonly kind?: ExchangeRequestKind;
  /** Of the file it is about. */
  readonly name: string;
  readonly signal: AbortSignal | undefined;
  /** Throws what the server's limits rule out. */
  fields(limits: ExchangeLimits | undefined): RequestFields;
  /** What the answer says, checked; undefined for an answer to something else. Throws PROTOCOL_ERROR. */
  read(response: ExchangeResponse): Answer | undefined;
  /** For a request that has no answer but its end. */
  readonly unanswered?: Answer;
  readonly isPack?: boolean;
}

export class SingleRequest<Answer> extends SessionRequest {
  override readonly isPack: boolean;
  /** Its content, in the attempt that has its result, as it was sent. */
  sent: CodedChunk | undefined;
  /** Its content was sent, and may have been written, before that attempt. */
  isRepeated = false;
  readonly result: Promise<Answer>;
  readonly #question: SingleQuestion<Answer>;
  #answer: Answer | undefined;
  #resolve!: (answer: Answer) => void;
  #reject!: (error: TransferError) => void;

  constructor(host: RequestHost, question: SingleQuestion<Answer>) {
    super(host, question.kind, question.name, question.signal);
    this.#question = question;
    this.isPack = question.isPack ?? false;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  override begin(limits: ExchangeLimits | undefined): RequestFields {
    const fields = this.#question.fields(limits);
    this.#answer = this.#question.unanswered;
    return fields;
  }

  override sentAs(content: CodedChunk): void {
    this.isRepeated = this.sent !== undefined;
    this.sent = content;
  }

  override receive({ response }: ExchangeAnswer): void {
    const answer = this.#question.read(response);
    if (answer === undefined || this.#answer !== undefined) {
      throw brokenContract(`an answer to the request about ${this.name} that was not asked for`);
    }
    this.#answer = answer;
  }

  override end(): void {
    if (this.#answer === undefined) throw brokenContract(`no answer to the request about ${this.name}`);
    this.host.settle(this);
  }

  override settled(error: TransferError | undefined): void {
    if (error === undefined) this.#resolve(this.#answer as Answer);
    else this.#reject(error);
  }
}

/** Asks, and waits for the answer. */
export async function ask<Answer>(host: RequestHost, question: SingleQuestion<Answer>): Promise<Answer> {
  const request = new SingleRequest(host, question);
  host.submit(request);
  return await request.result;
}
