/**
 * The audit: a line for each refusal, and for each change that a caller made or
 * tried. Who, how proved, what, from where, in which request, with what result.
 */
import { type ErrorCode, TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Identity } from './identity.ts';

/** The message of each line, by which they are told from others. */
const MESSAGE = 'audit';

/** A line shows at most this much of a text from the peer. */
const MAX_TEXT_CHARS = 1024;

/** The call that something is done by. */
export interface Caller {
  readonly identity: Identity;
  /** Address and port. */
  readonly peer: string;
  readonly requestId: string;
}

/** What something was done to. */
export interface Affected {
  file?: string | undefined;
  /** Of a transfer that was ended, or an upload that was discarded. */
  id?: string;
}

/** @param what a right, or the method of a call that was refused as a whole or that an operator made */
export function audit(
  logger: Logger,
  { identity, peer, requestId }: Caller,
  what: string,
  result: ErrorCode | 'OK',
  { file, id }: Affected = {},
): void {
  const fields = {
    identity: identity.name.slice(0, MAX_TEXT_CHARS),
    proof: identity.proof,
    what,
    ...(file === undefined ? {} : { file: file.slice(0, MAX_TEXT_CHARS) }),
    ...(id === undefined ? {} : { id: id.slice(0, MAX_TEXT_CHARS) }),
    peer,
    requestId,
    result,
  };
  if (result === 'PERMISSION_DENIED' || result === 'UNAUTHENTICATED') logger.warn(fields, MESSAGE);
  else logger.info(fields, MESSAGE);
}

/** Does a change that is allowed, and writes its result into the audit. `work` may still complete `affected`. */
export async function audited<Result>(
  logger: Logger,
  caller: Caller,
  what: string,
  affected: Affected,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    const result = await work();
    audit(logger, caller, what, 'OK', affected);
    return result;
  } catch (reason) {
    audit(logger, caller, what, TransferError.from(reason).code, affected);
    throw reason;
  }
}
