/**
 * Exchange: many requests on one stream, each served as a call of its own is.
 *
 *   new id, place ──▶ open ──credit──▶ served ──▶ end sent
 *        └─ no place, no such request: end sent at once
 *
 * Invariants: every request gets exactly one `end`, its last message; what one
 * request does ends no other; a broken rule of the stream ends the stream.
 */

import type { StatusObject } from '@grpc/grpc-js';
import type { ExchangeRequestKind } from '../../base/counters/counters.ts';
import { stopping, TransferError } from '../../base/errors.ts';
import { MAX_EXCHANGE_CREDIT_BYTES, MAX_EXCHANGE_REQUESTS } from '../../base/limits.ts';
import type { Tracing } from '../../base/tracing.ts';
import type { PeerPace } from '../../engine/download/peer-pace.ts';
import type { Sighted, StreamSight } from '../../engine/stream-sight.ts';
import type { ExchangeCall, ExchangeReceiver } from '../../flow/calls/exchange-call.ts';
import type { ExchangeRequest, ExchangeResponse } from '../../wire/messages.ts';
import { safeInteger } from '../../wire/safe-integer.ts';
import { malformedRequest } from '../../wire/service.ts';
import type { EndableCall } from '../call-end.ts';
import type { ServiceContext } from '../context.ts';
import type { Account } from '../prelude/accounts.ts';
import type { AdmittedCall } from '../prelude/admitted-call.ts';
import type { CallPlaces } from '../prelude/call-places.ts';
import { exchangeLimits } from './limits.ts';
import { kindOf, OpenRequest } from './open-request.ts';

type Call = ExchangeCall<ExchangeResponse>;

/** What an exchange has of its server beside what every call has. */
export interface ExchangeSetup {
  readonly places: CallPlaces;
  readonly tracing: Tracing;
  readonly decode: (bytes: Buffer) => ExchangeRequest;
}

/** One stream. */
export class Exchange implements ExchangeReceiver, EndableCall, Sighted {
  readonly #context: ServiceContext;
  readonly #setup: ExchangeSetup;
  readonly #call: Call;
  readonly #admitted: AdmittedCall;
  readonly #pace: PeerPace;
  readonly #open = new Map<number, OpenRequest>();
  #lastId = 0;
  /** Requests with credit of which nothing was sent yet. */
  #starting = 0;
  /** While the owner is ahead of its rate. */
  #aheadTimer: NodeJS.Timeout | undefined;
  #isHalfClosed = false;
  /** Of requests that have ended; see StreamSight. */
  #endedPeerMs = 0;
  #endedStorageMs = 0;
  #error: TransferError | null = null;
  #settle!: () => void;

  constructor(context: ServiceContext, setup: ExchangeSetup, call: Call, admitted: AdmittedCall) {
    this.#context = context;
    this.#setup = setup;
    this.#call = call;
    this.#admitted = admitted;
    this.#pace = context.engine.peerPace();
    admitted.facts.requests = 0;
    admitted.facts.moving = this;
  }

  /** Resolves when the peer has half-closed and every request has its end. Throws why it ended before. */
  async run(): Promise<void> {
    const settled = new Promise<void>((resolve) => {
      this.#settle = resolve;
    });
    this.#call.answers.onEnd((error) => this.#lost(error));
    this.#call.answers.post({ id: 0, limits: exchangeLimits(this.#context) });
    this.#call.start(this);
    const { draining } = this.#context;
    const drain = () => this.#settleIfDone();
    draining.addEventListener('abort', drain);
    await settled;
    draining.removeEventListener('abort', drain);
    clearTimeout(this.#aheadTimer);
    this.#call.stop();
    if (this.#error !== null) throw this.#error;
  }

  get movedBytes(): number {
    return this.#call.answers.movedBytes + this.#call.receivedBytes;
  }

  get isClosed(): boolean {
    return this.#call.answers.isClosed;
  }

  abandon(error: TransferError): void {
    this.#call.answers.abandon(error);
  }

  fail(status: StatusObject): void {
    this.#call.answers.fail(status);
  }

  reset(): void {
    this.#call.answers.reset();
  }

  onClose(listener: () => void): void {
    this.#call.answers.onClose(listener);
  }

  /** True while the server is what the peer waits for. */
  get isHeldUp(): boolean {
    for (const request of this.#open.values()) if (request.isHeldUp) return this.#call.answers.isHeldUp;
    return false;
  }

  message(bytes: Buffer, release: () => void): void {
    if (this.#error !== null) return;
    const request = this.#decoded(bytes);
    const { credit, id, keepAliveMs } = request;
    this.#call.answers.keepAlive(keepAliveMs, { id: 0 });
    const kind = kindOf(request);
    const open = this.#open.get(id);
    if (kind !== undefined) {
      if (id <= this.#lastId) throw broken(`the id ${id} is not larger than those before it`);
      this.#lastId = id;
      this.#begin(kind, request, release);
      return;
    }
    release();
    if (id > this.#lastId) throw broken(`the first message of request ${id} asks for nothing`);
    // It has ended meanwhile: the peer cannot know that yet.
    if (open === undefined) return;
    if (request.cancel === true)
      open.fail(new TransferError('CANCELLED', 'the client cancelled the request'));
    else open.grant(creditOf(credit));
  }

  halfClosed(): void {
    this.#isHalfClosed = true;
    for (const request of this.#open.values()) request.grant(MAX_EXCHANGE_CREDIT_BYTES);
    this.#settleIfDone();
  }

  /** All of its requests together; name and coding are those of the oldest. */
  sight(nowMs: number): StreamSight {
    const open = [...this.#open.values()];
    const moving = open.flatMap((request) => request.sight(nowMs) ?? []);
    const sum = (of: (sight: StreamSight) => number) => moving.reduce((total, each) => total + of(each), 0);
    const { facts } = this.#admitted;
    return {
      name: open[0]?.name ?? '',
      openRequests: open.length,
      start: 0,
      movedBytes: (facts.rawBytes ?? 0) + sum(({ movedBytes }) => movedBytes),
      wireBytes: this.movedBytes,
      inFlightBytes: sum(({ inFlightBytes }) => inFlightBytes),
      peerMs: this.#endedPeerMs + sum(({ peerMs }) => peerMs),
      storageMs: this.#endedStorageMs + sum(({ storageMs }) => storageMs),
      lacksCredit: open.length > 0 && open.every((request) => request.lacksCredit(nowMs)),
      coding: moving[0]?.coding ?? '',
      codingReason: moving[0]?.codingReason ?? '',
    };
  }

  #decoded(bytes: Buffer): ExchangeRequest {
    try {
      return this.#setup.decode(bytes);
    } catch (cause) {
      throw malformedRequest('ExchangeRequest', cause);
    }
  }

  #begin(kind: ExchangeRequestKind, message: ExchangeRequest, release: () => void): void {
    const credit = creditOf(message.credit);
    const { account, facts, owner, requestId, span: streamSpan } = this.#admitted;
    facts.requests = (facts.requests ?? 0) + 1;
    this.#pay(account);
    const request = new OpenRequest(kind, message, this.#context, this.#call.answers, this.#pace, (change) =>
      this.#countStarting(change),
    );
    const span = this.#setup.tracing.call(
      `sluice Exchange ${kind}`,
      { 'sluice.request_id': requestId },
      message,
      streamSpan,
    );
    let leave = () => {};
    const ended = () => {
      span?.end(request.spanAttributes, request.failure);
      release();
      leave();
      this.#open.delete(message.id);
      this.#context.counters.exchangeRequests.add(1, kind, request.result);
      request.addTo(facts);
      const { peerMs = 0, storageMs = 0 } = request.sight(performance.now()) ?? {};
      this.#endedPeerMs += peerMs;
      this.#endedStorageMs += storageMs;
      this.#settleIfDone();
    };
    this.#open.set(message.id, request);
    try {
      if (this.#open.size > MAX_EXCHANGE_REQUESTS) throw new TransferError('RESOURCE_EXHAUSTED', TOO_MANY);
      account.take('requests');
      leave = () => account.give('requests');
      const place = this.#setup.places.requests.enter(owner, request);
      leave = () => {
        account.give('requests');
        place.leave();
      };
      request.grant(credit);
    } catch (error) {
      request.fail(TransferError.from(error));
    }
    const serve = () => request.serve(owner);
    void (span === undefined ? serve() : span.run(serve)).then(ended);
  }

  #countStarting(change: 1 | -1): void {
    this.#starting += change;
    this.#holdOrRead();
  }

  /**
   * A request costs its owner what a call does. The stream waits and not the request, so that one whose owner is
   * ahead of its rate holds no memory that all Exchanges share.
   */
  #pay(account: Account): void {
    const nowMs = performance.now();
    const waitMs = account.payForCall(nowMs) - nowMs;
    if (waitMs <= 0) return;
    // Requests of one read come behind each other: the last one waits longest.
    clearTimeout(this.#aheadTimer);
    this.#aheadTimer = setTimeout(() => {
      this.#aheadTimer = undefined;
      this.#holdOrRead();
    }, waitMs).unref();
    this.#holdOrRead();
  }

  #holdOrRead(): void {
    this.#call.hold(this.#starting >= MAX_STARTING || this.#aheadTimer !== undefined);
  }

  #lost(error: TransferError): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#call.stop();
    for (const request of this.#open.values()) request.fail(error);
    this.#settleIfDone();
  }

  #settleIfDone(): void {
    if (this.#open.size > 0) return;
    // A peer that may ask for more later would hold up the end of the server.
    if (!this.#isHalfClosed && this.#context.draining.aborted) this.#error ??= stopping();
    if (this.#isHalfClosed || this.#error !== null) this.#settle();
  }
}

/** Above this the peer is not read: requests that are cancelled while they are opened would pile up. */
const MAX_STARTING = 64;

const TOO_MANY = `more than ${MAX_EXCHANGE_REQUESTS} requests are open on the stream; wait for the end of some`;

function broken(what: string): TransferError {
  return new TransferError('INVALID_ARGUMENT', `${what}; see docs/protocol.md`);
}

function creditOf(credit: number): number {
  const bytes = safeInteger(credit, 'credit');
  if (bytes >= 0 && bytes <= MAX_EXCHANGE_CREDIT_BYTES) return bytes;
  throw broken(`a credit of ${bytes} is not between 0 and ${MAX_EXCHANGE_CREDIT_BYTES}`);
}
