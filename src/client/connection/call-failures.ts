/** What a failure of a call to one target means: a `TransferError` with the remedy. */
import type { ServiceError } from '@grpc/grpc-js';
import { TransferError } from '../../base/errors.ts';
import { errorOfStatus } from '../../wire/status.ts';
import { connectProblem } from './connect-problem.ts';
import { foreignAnswer } from './foreign-answer.ts';
import { NO_PROOF } from './proof.ts';

/** How grpc-js begins its message about one that cannot be decoded. */
const UNREADABLE = /^Response message parsing error: /;

/** What is known of a failed call beside its failure. */
interface FailedCall {
  readonly requestId: string;
  /** The content type of an answer that is not gRPC's. */
  readonly foreignType: string | undefined;
  /** Where there are several, the one that was asked, or the target before one was chosen. */
  readonly server: string | undefined;
}

/** The failures of the calls of one channel. */
export class CallFailures {
  readonly #address: string;
  readonly #transport: 'TLS' | 'plaintext';
  readonly #connectTimeoutMs: number;
  readonly #calls = new WeakMap<Error, FailedCall>();

  constructor(address: string, transport: 'TLS' | 'plaintext', connectTimeoutMs: number) {
    this.#address = address;
    this.#transport = transport;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** To be called before `errorOf`. */
  note(failure: Error, call: FailedCall): void {
    this.#calls.set(failure, call);
  }

  /**
   * Names the address when nothing answers there.
   *
   * @param hasConnected the server has answered at some time
   */
  errorOf(failure: Error, hasConnected: boolean): TransferError {
    if (failure instanceof TransferError) return failure;
    if (!('metadata' in failure)) return TransferError.from(failure);
    const { requestId, foreignType, server } = this.#calls.get(failure) ?? {};
    const error = this.#meaningOf(failure as ServiceError, foreignType, hasConnected);
    error.requestId = requestId;
    if (server !== undefined && !server.includes('://')) error.message += ` (${server})`;
    return error;
  }

  #meaningOf(failure: ServiceError, foreignType: string | undefined, hasConnected: boolean): TransferError {
    const contentType = foreignType ?? failure.metadata?.get('content-type')[0];
    const foreign = foreignAnswer(failure, contentType, this.#address);
    if (foreign !== undefined) return foreign;
    const error = errorOfStatus(failure);
    if (UNREADABLE.test(error.message)) {
      return new TransferError(
        'PROTOCOL_ERROR',
        error.message.replace(UNREADABLE, 'the server broke the contract: '),
        { cause: failure },
      );
    }
    if (NO_PROOF.test(error.message)) {
      return new TransferError(error.code, error.message.replace(NO_PROOF, ''), { cause: failure });
    }
    if (error.code === 'CANCELLED') return cancelledByPeer(failure, this.#address);
    if (error.code !== 'UNAVAILABLE' || sentBySluice(failure)) return error;
    if (!hasConnected) return this.unreachable(failure);
    return new TransferError('UNAVAILABLE', connectProblem(failure) ?? error.message, { cause: failure });
  }

  /** UNAVAILABLE for a server that cannot be connected to. */
  unreachable(failure?: ServiceError): TransferError {
    const reason = connectProblem(failure) ?? `no connection within ${this.#connectTimeoutMs} ms`;
    return new TransferError(
      'UNAVAILABLE',
      `cannot connect to ${this.#address} (${this.#transport}): ${reason}; ${whatToCheck(reason, this.#transport)}`,
      { cause: failure },
    );
  }
}

function whatToCheck(reason: string, transport: 'TLS' | 'plaintext'): string {
  if (/name resolution/i.test(reason)) return 'is the name of the host right?';
  if (/ECONNREFUSED|ENOENT/.test(reason)) return 'is a server listening there?';
  if (/certificate required/.test(reason)) return 'give the certificate of the client, and its key';
  if (/certificate/.test(reason))
    return 'check the authorities that are trusted, and the name that is expected';
  const how = transport === 'TLS' ? 'TLS (otherwise say insecure)' : 'plaintext';
  return `is a server listening there, and does it speak ${how}?`;
}

/** The caller's own abort settles the call first and never gets here. */
function cancelledByPeer(failure: ServiceError, address: string): TransferError {
  return new TransferError('ABORTED', `${address}, or a proxy on the way, cancelled the call`, {
    cause: failure,
  });
}

/** False for a status that grpc-js made on this side. */
function sentBySluice(failure: ServiceError): boolean {
  return failure.metadata?.get('sluice-code').length > 0;
}
