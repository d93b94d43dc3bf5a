/**
 * The requests of one session on one Exchange stream after the other. A stream is
 * opened for the first request that needs one. When it is lost, what was open is
 * asked for again on the next: each request counts the streams that were lost
 * under it without progress, as a download counts its attempts.
 */
import { TransferError } from '../../base/errors.ts';
import type { ExchangeAnswer } from '../../wire/exchange-answer.ts';
import type { ExchangeLimits, Failure } from '../../wire/messages.ts';
import { errorOfFailure } from '../../wire/status.ts';
import type { Channel } from '../connection/channel.ts';
import { ABORT_TIMEOUT_MS, CREDIT_BEFORE_LIMITS_BYTES, MIN_CHUNK_BYTES } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import { GrowthBudget } from './credit-window.ts';
import { type CallListener, ExchangeCall } from './exchange-call.ts';
import type { RequestHost, SessionRequest, TraceFields } from './request.ts';
import { SignalWatch } from './signal-watch.ts';

export class Exchange implements CallListener, RequestHost {
  readonly options: ResolvedOptions;
  readonly growth: GrowthBudget;
  /** Shrinks when chunks are too large to arrive within the stall time-out. */
  chunkBytes: number;
  readonly #channel: Channel;
  readonly #signals = new SignalWatch();
  /** Submitted and not settled. */
  readonly #requests = new Set<SessionRequest>();
  /** To be sent, in order. Those that are settled meanwhile are passed over. */
  readonly #queue: SessionRequest[] = [];
  readonly #packs: SessionRequest[] = [];
  #call: ExchangeCall | undefined;
  /** Runs while the next stream must not be opened yet. */
  #reopening: NodeJS.Timeout | undefined;
  /** Requests that the last stream had room for. */
  #room = Number.POSITIVE_INFINITY;
  #isClosing = false;
  #onSettled: () => void = () => {};

  constructor(channel: Channel, options: ResolvedOptions) {
    this.#channel = channel;
    this.options = options;
    this.chunkBytes = options.chunkBytes;
    this.growth = new GrowthBudget(options.windowBytes === undefined ? options.maxWindowBytes : 0);
  }

  get maxCreditBytes(): number {
    return this.#limits?.maxCredit ?? CREDIT_BEFORE_LIMITS_BYTES;
  }

  submit(request: SessionRequest): void {
    if (request.state === 'new') this.#admit(request);
    if (request.state === 'settled') return;
    request.state = 'queued';
    (request.isPack ? this.#packs : this.#queue).push(request);
    this.#pump();
  }

  grant(request: SessionRequest, bytes: number): void {
    this.#call?.grant(request, bytes);
  }

  failed(request: SessionRequest, failure: TransferError): void {
    const error = request.meaningOf(failure);
    if (request.state === 'settled') return;
    if (request.state === 'open') this.#call?.cancel(request);
    request.interrupt();
    const waitMs = this.#waitFor(request, error);
    if (waitMs === undefined) {
      this.settle(request, error);
      return;
    }
    this.#tell('request failed; asking again', error, waitMs, { name: request.name });
    noteInterruption(request, error, waitMs);
    request.state = 'waiting';
    request.timer = setTimeout(() => this.submit(request), waitMs);
  }

  settle(request: SessionRequest, error?: TransferError): void {
    if (request.state === 'settled') return;
    if (request.state === 'open') this.#call?.cancel(request);
    request.state = 'settled';
    clearTimeout(request.timer);
    request.ignoreSignal();
    this.#requests.delete(request);
    request.interrupt();
    request.settled(error);
    request.span?.end(request.spanAttributes, error);
    if (this.#requests.size > 0) return;
    clearTimeout(this.#reopening);
    this.#reopening = undefined;
    this.#onSettled();
  }

  /** No request follows. Resolves when those that were submitted are settled, and the stream has ended. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#requests.size > 0) {
      await new Promise<void>((resolve) => {
        const before = this.#onSettled;
        this.#onSettled = () => {
          before();
          resolve();
        };
      });
    }
    await this.#endStream();
  }

  /** Settles what is not settled with CANCELLED, and ends the stream. */
  async abort(): Promise<void> {
    this.#isClosing = true;
    const isBusy = this.#requests.size > 0;
    for (const request of this.#requests) this.settle(request, closedError('CANCELLED'));
    if (isBusy) this.#call?.fail(closedError('CANCELLED'));
    await this.#endStream();
  }

  onLimits({ maxRequests }: ExchangeLimits): void {
    this.#room = maxRequests;
    for (const request of this.#requests) if (request.state === 'open') request.topUp();
    this.#pump();
  }

  onAnswer(request: SessionRequest, answer: ExchangeAnswer): void {
    try {
      request.receive(answer);
    } catch (reason) {
      this.failed(request, TransferError.from(reason));
    }
  }

  onEnd(request: SessionRequest, failure: Failure | null): void {
    request.state = 'ending';
    if (failure !== null) {
      this.failed(request, errorOfFailure(failure));
      return;
    }
    try {
      request.end();
    } catch (reason) {
      this.failed(request, TransferError.from(reason));
    }
  }

  onRoom(): void {
    this.#pump();
  }

  onOver(call: ExchangeCall, failure: TransferError, lost: readonly SessionRequest[]): void {
    if (call === this.#call) this.#call = undefined;
    const error = failure.code === 'UNIMPLEMENTED' ? this.#withoutExchange(failure) : failure;
    if (error.code === 'STALLED') {
      this.chunkBytes = Math.max(MIN_CHUNK_BYTES, Math.floor(this.chunkBytes / 4));
    }
    // What waited for the limits of this stream has waited for the server as well.
    const waiting = call.limits === undefined ? [...this.#queue, ...this.#packs] : [];
    let waitMs: number | undefined;
    for (const request of [...lost, ...waiting]) {
      const ms = this.#lose(request, error);
      if (ms !== undefined) waitMs ??= ms;
    }
    if (waitMs !== undefined) this.#tell('exchange interrupted; asking again', error, waitMs);
    this.#reopenAfter(waitMs ?? 0);
  }

  get #limits(): ExchangeLimits | undefined {
    return this.#call?.limits;
  }

  /** The stream is gone. Returns the wait for the next, where the request needs one. */
  #lose(request: SessionRequest, error: TransferError): number | undefined {
    if (request.state === 'settled') return undefined;
    const { isHeldUp, state } = request;
    if (state === 'open') request.interrupt();
    if (state === 'open' && isHeldUp) {
      request.state = 'parked';
      return undefined;
    }
    const waitMs = this.#waitFor(request, error);
    if (waitMs !== undefined) noteInterruption(request, error, waitMs);
    if (waitMs === undefined) this.settle(request, error);
    else if (state === 'open') {
      request.state = 'queued';
      (request.isPack ? this.#packs : this.#queue).push(request);
    }
    return waitMs;
  }

  /** Before another attempt; undefined when there should be none. */
  #waitFor({ budget, canResume }: SessionRequest, error: TransferError): number | undefined {
    return canResume ? budget.spend(error, this.#channel.hasConnected) : undefined;
  }

  #reopenAfter(waitMs: number): void {
    clearTimeout(this.#reopening);
    this.#reopening = undefined;
    if (this.#isDrained(this.#queue) && this.#isDrained(this.#packs)) return;
    this.#reopening = setTimeout(() => {
      this.#reopening = undefined;
      this.#pump();
    }, waitMs);
  }

  #admit(request: SessionRequest): void {
    if (this.#isClosing) {
      this.settle(request, closedError('INVALID_ARGUMENT'));
      return;
    }
    this.#requests.add(request);
    this.#trace(request);
    request.ignoreSignal = this.#signals.onCancelled(request.signal, (error) => this.settle(request, error));
    // The signal was aborted already.
    if (!this.#requests.has(request)) request.ignoreSignal();
  }

  /** Begins its span, where there are spans. */
  #trace(request: SessionRequest): void {
    const { kind, name } = request;
    const { tracing } = this.options;
    const span = kind === undefined ? undefined : tracing.begin(`sluice ${kind}`, { 'sluice.file': name });
    if (span === undefined) return;
    const trace: TraceFields = {};
    tracing.inject((key, value) => {
      if (key === 'traceparent' || key === 'tracestate') trace[key] = value;
    }, span);
    request.span = span;
    request.trace = trace;
  }

  /** Sends what there is room for; packs and others in turn. */
  #pump(): void {
    if (this.#reopening !== undefined) return;
    for (let isMore = true; isMore; ) {
      isMore = this.#sendFrom(this.#packs);
      isMore = this.#sendFrom(this.#queue) || isMore;
    }
  }

  /** False when there is nothing to send, or no room. */
  #sendFrom(queue: SessionRequest[]): boolean {
    if (this.#isDrained(queue)) return false;
    const call = this.#openCall();
    if (!call?.hasRoom || (queue === this.#packs && !call.takesPacks)) return false;
    const request = queue.shift() as SessionRequest;
    request.state = 'open';
    request.id = 0;
    try {
      const fields = request.begin(call.limits);
      // A request that only wants to know the limits is settled by now.
      if (request.state === 'open') call.open(request, fields);
    } catch (reason) {
      this.settle(request, TransferError.from(reason));
    }
    return true;
  }

  #openCall(): ExchangeCall | undefined {
    try {
      this.#call ??= new ExchangeCall(this.#channel, this.options, this, this.#room);
    } catch (reason) {
      const error = TransferError.from(reason);
      for (const request of this.#requests) this.settle(request, error);
    }
    return this.#call;
  }

  /** Lets go of what was settled at the head of a queue. */
  #isDrained(queue: SessionRequest[]): boolean {
    while (queue[0]?.state === 'settled') queue.shift();
    return queue.length === 0;
  }

  async #endStream(): Promise<void> {
    const call = this.#call;
    if (call === undefined) return;
    const timer = setTimeout(() => call.fail(closedError('CANCELLED')), ABORT_TIMEOUT_MS);
    call.end();
    await call.over;
    clearTimeout(timer);
  }

  #withoutExchange(cause: TransferError): TransferError {
    return new TransferError(
      'UNIMPLEMENTED',
      `${this.#channel.address} has no Exchange, which sessions need (${cause.message}); call the same methods of the client instead, or update the server`,
      { cause },
    );
  }

  #tell(what: string, error: TransferError, waitMs: number, fields: { name?: string } = {}): void {
    this.#channel.interruptions.tell(this.#channel, what, error, waitMs, fields);
  }
}

function noteInterruption({ span }: SessionRequest, { code, message }: TransferError, waitMs: number): void {
  span?.event('interrupted', { code, reason: message, waitMs });
}

/** Whether a request failed because the server does not have Exchange: the calls of the client do the same, one by one. */
export function isWithoutExchange(reason: unknown): boolean {
  return reason instanceof TransferError && reason.code === 'UNIMPLEMENTED';
}

function closedError(code: 'CANCELLED' | 'INVALID_ARGUMENT'): TransferError {
  return new TransferError(code, 'the session is closed');
}
