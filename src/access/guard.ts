/** What one call may do: decides by the rights of its caller, and writes the audit. */
import type { Counters } from '../base/counters/counters.ts';
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { parseName } from '../storage/name.ts';
import { quoteName } from '../storage/quoted-name.ts';
import type { Upload } from '../storage/upload-store.ts';
import type { Access } from './access.ts';
import { audit, audited, type Caller } from './audit.ts';
import type { PathRight } from './rights.ts';
import { unknownCaller } from './unauthenticated.ts';

/** What decides about callers, and where that is told. */
export interface AccessControl {
  readonly access: Access;
  readonly logger: Logger;
  readonly counters: Counters;
}

export class Guard {
  readonly #control: AccessControl;
  readonly #caller: Caller;

  constructor(control: AccessControl, caller: Caller) {
    this.#control = control;
    this.#caller = caller;
  }

  /** Of the caller; undefined where there is none that could own something. */
  get owner(): string | undefined {
    const { name, proof } = this.#caller.identity;
    return proof === 'anonymous' ? undefined : name;
  }

  /** @param name by its components */
  may(right: PathRight, name: readonly string[]): boolean {
    return this.#control.access.policy.may(this.#caller.identity, right, name);
  }

  /** Whether something at or below `name` may be listed. */
  mayLook(name: readonly string[]): boolean {
    return this.#control.access.policy.mayLook(this.#caller.identity, name);
  }

  /** Throws INVALID_NAME for what is no name, else as `refusal` where the right is missing. */
  require(right: PathRight, name: string): void {
    if (!this.may(right, parseName(name))) throw this.refusal(right, name);
  }

  /** PERMISSION_DENIED, or UNAUTHENTICATED for a caller who may get further with an identity. Is in the audit. */
  refusal(right: PathRight, name: string): TransferError {
    const error = this.#isUnknown ? unknownCaller() : this.#denied(right, name);
    this.#control.counters.accessRefusals.add(1, right);
    audit(this.#control.logger, this.#caller, right, error.code, { file: name });
    return error;
  }

  /** Throws UPLOAD_NOT_FOUND for one of another identity, and where its file may not be written any more. */
  requireOwn(upload: Upload): void {
    if (upload.owner !== this.owner) throw uploadNotFound();
    this.require('write', upload.name);
  }

  /** Does a change that is allowed, and writes its result into the audit. */
  async audited<Result>(right: PathRight, name: string, work: () => Promise<Result>): Promise<Result> {
    return await audited(this.#control.logger, this.#caller, right, { file: name }, work);
  }

  note(right: PathRight, name: string, error: TransferError | null): void {
    audit(this.#control.logger, this.#caller, right, error?.code ?? 'OK', { file: name });
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
