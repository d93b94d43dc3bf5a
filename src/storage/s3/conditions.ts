/**
 * The conditions of writes, as the store has them. What it does not have is compared
 * by HEAD first; within this process a mutex of the name makes that safe.
 */
import { TransferError } from '../../base/errors.ts';
import { quoteName } from '../quoted-name.ts';
import type { Store } from '../store.ts';
import type { WriteCondition } from '../upload-store.ts';
import type { Capabilities } from './capabilities.ts';
import type { CompleteCondition } from './multipart.ts';
import { statusOf, toS3Error } from './s3-error.ts';

export class Conditions {
  readonly #store: Pick<Store, 'stat'>;
  readonly #can: Capabilities;

  constructor(store: Pick<Store, 'stat'>, capabilities: Capabilities) {
    this.#store = store;
    this.#can = capabilities;
  }

  /** For `Bucket.put`. Throws VERSION_MISMATCH where the store ignores the condition. */
  async forPut(name: string, condition: WriteCondition): Promise<string | null | undefined> {
    if (condition.kind === 'absent') return null;
    if (condition.kind === 'any') return undefined;
    if (this.#can.putIfMatch !== null) return this.#can.putIfMatch(condition.version);
    await this.#found(name, condition);
    return undefined;
  }

  /** For `Multipart.complete`. Throws as `check` where the store ignores the condition. */
  async forComplete(name: string, condition: WriteCondition): Promise<CompleteCondition> {
    if (condition.kind === 'any') return {};
    if (!this.#can.completeConditions) {
      await this.check(name, condition);
      return {};
    }
    return condition.kind === 'absent' ? { ifNoneMatch: '*' } : { ifMatch: `"${condition.version}"` };
  }

  /** For `Bucket.delete`, what is under the name. Throws NOT_FOUND, NOT_A_FILE, VERSION_MISMATCH. */
  async forDelete(name: string, condition: WriteCondition): Promise<string | undefined> {
    const ifMatch = await this.#found(name, condition);
    return this.#can.deleteIfMatch ? ifMatch : undefined;
  }

  /** Throws ALREADY_EXISTS, VERSION_MISMATCH, NOT_A_FILE where what is under the name now is not as asked for. */
  async check(name: string, condition: WriteCondition): Promise<void> {
    let version: string | undefined;
    try {
      version = (await this.#store.stat(name)).version;
    } catch (reason) {
      if (!(reason instanceof TransferError) || reason.code !== 'NOT_FOUND') throw reason;
    }
    if (condition.kind === 'absent' && version !== undefined) throw alreadyExists(name, version);
    if (condition.kind === 'version' && version !== condition.version) throw mismatch(name, version);
  }

  /** What the refusal of a write under `condition` means. */
  async refused(reason: unknown, name: string, condition: WriteCondition): Promise<TransferError> {
    const isBroken = statusOf(reason) === 412 || (statusOf(reason) === 404 && condition.kind === 'version');
    if (!isBroken) return toS3Error(reason, name);
    const found = await this.#store.stat(name).catch(() => undefined);
    if (condition.kind === 'version') return mismatch(name, found?.version);
    return alreadyExists(name, found?.version);
  }

  async #found(name: string, condition: WriteCondition): Promise<string | undefined> {
    const { version } = await this.#store.stat(name);
    if (condition.kind !== 'version') return undefined;
    if (condition.version === version) return `"${version}"`;
    throw mismatch(name, version);
  }
}

function alreadyExists(name: string, version: string | undefined): TransferError {
  const message = `there is a file ${quoteName(name)} already; choose another name, or overwrite it`;
  return new TransferError('ALREADY_EXISTS', message, { version });
}

function mismatch(name: string, version: string | undefined): TransferError {
  const message = `${quoteName(name)} does not have the version asked for; start over with the present version`;
  return new TransferError('VERSION_MISMATCH', message, { version });
}
