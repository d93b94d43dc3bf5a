/**
 * Who makes calls, and whether that holds while they run: a call ends when the
 * proof it came with expires, or is accepted no more.
 */
import type { Access } from '../../access/access.ts';
import { audit } from '../../access/audit.ts';
import type { AccessControl } from '../../access/guard.ts';
import { ANONYMOUS, type Identity } from '../../access/identity.ts';
import { expired, unknownCaller } from '../../access/unauthenticated.ts';
import type { Counters } from '../../base/counters/counters.ts';
import { TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { HeldStream, RequestHeaders } from '../../flow/gate/held-stream.ts';
import type { AdmittedCall } from './admitted-call.ts';
import type { LoggedRequest } from './request-log.ts';

/** Callers need no identity: they are probes of whoever runs the server. */
const HEALTH = '/grpc.health.v1.Health/';

/** Callers need an identity, also where others do not: it describes the server. */
const REFLECTION = '/grpc.reflection.';

/** How often it is seen whether the proofs of running calls have expired. */
const EXPIRY_CHECK_MS = 1000;

function named(identity: Identity): Identity {
  if (identity.proof === 'anonymous') throw unknownCaller();
  return identity;
}

export class Callers {
  /** What decides about calls; null: everybody may do everything. */
  readonly control: AccessControl | null;
  /** Calls whose identity may expire or be taken away, with what says who they are. */
  readonly #proven = new Map<AdmittedCall, RequestHeaders>();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(access: Access | null, logger: Logger, counters: Counters) {
    this.control = access === null ? null : { access, logger, counters };
    if (access === null) return;
    access.onChange(() => this.#proveAgain());
    this.#timer = setInterval(() => this.#endExpired(), EXPIRY_CHECK_MS).unref();
  }

  /** Who makes a call. Throws UNAUTHENTICATED, or rejects with it. */
  identityOf(held: HeldStream, headers: RequestHeaders): Identity | Promise<Identity> {
    const { ':path': path = '' } = headers;
    if (this.control === null || path.startsWith(HEALTH)) return ANONYMOUS;
    const identity = this.control.access.identify({
      headers,
      get peerCertificate() {
        return held.peerCertificate;
      },
      get address() {
        return held.socket?.remoteAddress;
      },
    });
    if (!path.startsWith(REFLECTION)) return identity;
    return identity instanceof Promise ? identity.then(named) : named(identity);
  }

  /** The proof goes no further: where it would be traced, for example. */
  began(call: AdmittedCall, headers: RequestHeaders): void {
    if (call.identity.proof === 'anonymous') return;
    this.#proven.set(call, { ':path': headers[':path'], authorization: headers.authorization });
    delete (headers as { authorization?: string }).authorization;
  }

  ended(call: AdmittedCall): void {
    this.#proven.delete(call);
  }

  /** A request was refused because nobody knows who makes it. */
  refused(request: LoggedRequest): void {
    if (this.control === null) return;
    this.control.counters.accessRefusals.add(1, 'call');
    audit(this.control.logger, request, request.method, 'UNAUTHENTICATED');
  }

  /** Stops the clock. */
  close(): void {
    clearInterval(this.#timer);
  }

  #endExpired(): void {
    const nowMs = Date.now();
    for (const call of this.#proven.keys()) if (call.identity.expiresMs <= nowMs) this.#end(call, expired());
  }

  /** Calls whose proofs are not accepted any more, or prove another identity, end. */
  #proveAgain(): void {
    for (const [call, headers] of this.#proven) void this.#proveOneAgain(call, headers);
  }

  async #proveOneAgain(call: AdmittedCall, headers: RequestHeaders): Promise<void> {
    try {
      const identity = await this.identityOf(call.held, headers);
      if (identity.name !== call.identity.name) throw unknownCaller();
      call.identity = identity;
    } catch (reason) {
      const error = TransferError.from(reason);
      if (error.code === 'UNAUTHENTICATED') this.#end(call, error);
    }
  }

  #end(call: AdmittedCall, error: TransferError): void {
    if (this.#proven.delete(call)) call.end(error);
  }
}
