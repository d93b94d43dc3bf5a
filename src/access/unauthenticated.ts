/** Why a caller is not who it says. */
import { TransferError } from '../base/errors.ts';
import type { Identity } from './identity.ts';

/** `identity` itself; throws UNAUTHENTICATED when its proof has expired. */
export function current(identity: Identity): Identity {
  if (identity.expiresMs > Date.now()) return identity;
  throw expired();
}

export function expired(): TransferError {
  return new TransferError(
    'UNAUTHENTICATED',
    'the proof of who you are has expired; get a new one, and resume',
  );
}

/** One that nobody here knows. */
export function notAccepted(cause?: unknown): TransferError {
  const message = 'the token is none that this server accepts; ask its operator for one';
  return new TransferError('UNAUTHENTICATED', message, { cause });
}

/** For a call that did not say who makes it, where that is needed. */
export function unknownCaller(): TransferError {
  return new TransferError('UNAUTHENTICATED', 'this server serves only callers that it knows; send a token');
}
