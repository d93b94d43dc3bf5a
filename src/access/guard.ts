/** What one call may do: decides by the rights of its caller, and writes the audit. */
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { parseName } from '../storage/name.ts';
import { quoteName } from '../storage/quoted-name.ts';
import type { Upload } from '../storage/upload-store.ts';
import type { Access } from './access.ts';
import { audit, type Caller } from './audit.ts';
import type { PathRight } from './rights.ts';
import { unknownCaller } from './unauthenticated.ts';

export class Guard {
  readonly #access: Access;
  readonly #caller: Caller;
  readonly #logger: Logger;

  constructor(access: Access, caller: Caller, logger: Logger) {
    this.#access = access;
    this.#caller = caller;
    this.#logger = logger;
  }

  /** Of the caller; undefined where there is none that could own something. */
  get owner(): string | undefined {
    const { name, proof } = this.#caller.identity;
    return proof === 'anonymous' ? undefined : name;
  }

  /** @param name by its components */
  may(right: PathRight, name: readonly string[]): boolean {
    return this.#access.policy.may(this.#caller.identity, right, name);
  }

  /** Whether something at or below `name` may be listed. */
  mayLook(name: readonly string[]): boolean {
    return this.#access.policy.mayLook(this.#caller.identity, name);
  }

  /** Throws INVALID_NAME for what is no name, else as `refusal` where the right is missing. */
  require(right: PathRight, name: string): void {
    if (!this.may(right, parseName(name))) throw this.refusal(right, name);
  }

  /** PERMISSION_DENIED, or UNAUTHENTICATED for a caller who may get further with an identity. Is in the audit. */
  refusal(right: PathRight, name: string): TransferError {
    const error = this.#isUnknown ? unknownCaller() : this.#denied(right, name);
    audit(this.#logger, this.#caller, right, error.code, name);
    return error;
  }

  /** Throws UPLOAD_NOT_FOUND for one of another identity, and where its file may not be written any more. */
  requireOwn(upload: Upload): void {
    if (upload.owner !== this.owner) throw uploadNotFound();
    this.require('write', upload.name);
  }

  /** Does a change that is allowed, and writes its result into the audit. */
  async audited<Result>(right: PathRight, name: string, work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await work();
      this.note(right, name, null);
      return result;
    } catch (reason) {
      this.note(right, name, TransferError.from(reason));
      throw reason;
    }
  }

  note(right: PathRight, name: string, error: TransferError | null): void {
    audit(this.#logger, this.#caller, right, error?.code ?? 'OK', name);
  }

  get #isUnknown(): boolean {
    return this.#caller.identity.proof === 'anonymous';
  }

  #denied(right: PathRight, name: string): TransferError {
    const who = quoteName(this.#caller.identity.name);
    const what = name === '' ? 'the root of the store' : quoteName(name);
    return new TransferError(
      'PERMISSION_DENIED',
      `${who} may not ${right} ${what}; the operator of the server can grant the right`,
    );
  }
}

/** The same for an upload of somebody else as for none. */
export function uploadNotFound(): TransferError {
  return new TransferError(
    'UPLOAD_NOT_FOUND',
    'there is no such upload of yours: it expired, was aborted or never began; start a new one',
  );
}
