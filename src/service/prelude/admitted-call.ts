/**
 * An admitted call, from its headers until its stream is closed and its handler
 * has ended: its place counts what either holds.
 */
import { type AccessControl, Guard } from '../../access/guard.ts';
import type { Identity } from '../../access/identity.ts';
import type { MethodName } from '../../base/counters/counters.ts';
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import type { Place, PlaceHolder } from '../../base/places.ts';
import type { OpenSpan } from '../../base/tracing.ts';
import type { LinkSight } from '../../flow/connections/link-probe.ts';
import type { HeldStream } from '../../flow/gate/held-stream.ts';
import type { Account } from './accounts.ts';
import type { LoggedRequest, RequestFacts } from './request-log.ts';

/** The facts about a call at its admission. */
export interface CallOrigin {
  readonly method: MethodName;
  /** Of a method that is unknown. */
  readonly path: string | undefined;
  readonly identity: Identity;
  /** What the peer is counted by where it has no identity; null: alone. */
  readonly address: string | null;
  readonly stream: HeldStream;
  /** What its caller uses of the server. */
  readonly account: Account;
  /** Where calls are traced. */
  readonly span?: OpenSpan | undefined;
}

export class AdmittedCall implements LoggedRequest {
  readonly method: MethodName;
  readonly path: string | undefined;
  /** Proved again when the proofs that are accepted have changed. */
  identity: Identity;
  /** That the peer is counted by where it has no identity; null: it cannot be told from others. */
  readonly address: string | null;
  /** What its places and uploads are counted by; null: it counts alone. */
  readonly owner: string | null;
  /** What the caller uses of the server. */
  readonly account: Account;
  /** What the caller may do; null: everything. */
  readonly guard: Guard | null;
  readonly peer: string;
  readonly requestId: string;
  readonly facts: RequestFacts = {};
  readonly startMs = performance.now();
  readonly span: OpenSpan | undefined;
  readonly held: HeldStream;
  readonly #place: Place;
  readonly #over: (call: AdmittedCall) => void;
  #holds = 1;
  #isHandled = false;
  #error: TransferError | null = null;

  /** @param over called once, when nothing of the call is left and its place was given back */
  constructor(
    { account, method, path, identity, address, span, stream }: CallOrigin,
    place: Place,
    control: AccessControl | null,
    over: (call: AdmittedCall) => void,
  ) {
    this.method = method;
    this.path = path;
    this.identity = identity;
    this.span = span;
    this.address = address;
    this.account = account;
    this.owner = account.owner;
    this.peer = stream.peer;
    this.requestId = stream.requestId;
    this.held = stream;
    this.#place = place;
    this.guard = control === null ? null : new Guard(control, this);
    this.#over = over;
    stream.onClose(() => this.#letGo());
  }

  /** Why it ended otherwise than well, where that is known. */
  get error(): TransferError | null {
    return this.held.error ?? this.#error;
  }

  /** How it ended: what its peer was told, else what its handler says. */
  get result(): ErrorCode | 'OK' {
    const sent = this.held.sentCode;
    if (sent !== undefined && sent !== 'OK') return sent;
    if (this.#error !== null) return this.#error.code;
    return sent === 'OK' || this.#isHandled ? 'OK' : 'CANCELLED';
  }

  /**
   * A handler begins, and holds the place until `ended` or `failed`.
   *
   * @param holder what is to end when the place is lost; default: the stream
   */
  hold(holder?: PlaceHolder): void {
    this.#holds += 1;
    // The message has arrived: from now on the peer waits for the server.
    this.held.isHeldUp = true;
    if (holder !== undefined) this.#place.holder = holder;
  }

  /** Bytes that it has moved, as far as its kind of call counts them. */
  get movedBytes(): number {
    return this.#place.holder.movedBytes;
  }

  /** The connection below it; undefined when that is gone. */
  link(nowMs: number): LinkSight | undefined {
    return this.held.link(nowMs);
  }

  /** Ends it before its time, with `error` for its peer. */
  end(error: TransferError): void {
    this.#place.holder.evict(error);
  }

  /** Calls `listener` once the stream has ended, in whatever way. */
  onClose(listener: () => void): void {
    this.held.onClose(listener);
  }

  /** The handler has ended well. */
  ended(): void {
    this.#isHandled = true;
    this.#letGo();
  }

  /** The handler has failed; returns the reason as the typed error it is sent as. */
  failed(reason: unknown): TransferError {
    const error = TransferError.from(reason);
    this.#error = error;
    this.#letGo();
    return error;
  }

  #letGo(): void {
    this.#holds -= 1;
    if (this.#holds > 0) return;
    this.#place.leave();
    this.#over(this);
  }
}
