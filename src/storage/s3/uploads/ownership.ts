/**
 * Who may write to an upload. Each owner has an epoch and a ledger of its own, whose
 * key is the lock of the epoch.
 *
 * Invariant: a ledger that `write` has confirmed is what the next owner reads. It
 * was written before the look that found no newer epoch; a successor reads it
 * behind the creation of its own.
 */
import { TransferError } from '../../../base/errors.ts';
import { quoteName } from '../../quoted-name.ts';
import { uploadNotFound } from '../../upload-not-found.ts';
import type { Keys } from '../keys.ts';
import { statusOf } from '../s3-error.ts';
import type { UploadBucket } from './context.ts';
import { EMPTY_LEDGER, type Ledger, ledgerText, parseLedger } from './ledger.ts';
import { ledgerKey, parseKey, sessionKey } from './session.ts';

/** Servers that race for one upload end this; a loser is asked again by its client. */
const MAX_RACES = 4;

/** What is there of an upload beside its parts. */
export interface Seen {
  readonly hasRecord: boolean;
  /** Of the ledgers, descending. */
  readonly epochs: readonly number[];
  /** When the newest of these objects was written, in milliseconds since the epoch. */
  readonly touchedMs: number;
}

export class Ownership {
  readonly #bucket: UploadBucket;
  readonly #keys: Keys;
  readonly #id: string;
  /** Undefined while it is not ours. */
  #epoch: number | undefined;

  /** @param epoch 0 for whoever has created the session */
  constructor(bucket: UploadBucket, keys: Keys, id: string, epoch?: number) {
    this.#bucket = bucket;
    this.#keys = keys;
    this.#id = id;
    this.#epoch = epoch;
  }

  get isOurs(): boolean {
    return this.#epoch !== undefined;
  }

  /** What is known of the upload has turned out to be wrong: it is taken over anew before anything is written. */
  giveUp(): void {
    this.#epoch = undefined;
  }

  async look(): Promise<Seen> {
    const { objects } = await this.#bucket.page(sessionKey(this.#keys, this.#id));
    const found = objects.map(({ key }) => parseKey(this.#keys, key));
    const epochs = found.flatMap((each) => each?.epoch ?? []).sort((a, b) => b - a);
    const hasRecord = found.some((each) => each !== undefined && each.epoch === undefined);
    return { hasRecord, epochs, touchedMs: Math.max(0, ...objects.map(({ modifiedMs }) => modifiedMs)) };
  }

  /** That of the newest of `epochs` that has one: an owner may have died before it wrote its own. */
  async read(epochs: readonly number[]): Promise<Ledger> {
    for (const epoch of epochs) {
      const text = await this.#bucket.get(ledgerKey(this.#keys, this.#id, epoch)).catch(unlessMissing);
      if (text !== undefined && text.length > 0) return parseLedger(text);
    }
    return EMPTY_LEDGER;
  }

  /** The upload is ours once `load` has taken over the ledger of the owner before. Throws UPLOAD_NOT_FOUND, TAKEN_OVER. */
  async takeOver(load: (ledger: Ledger) => Promise<void>): Promise<void> {
    for (let race = 0; race < MAX_RACES; race++) {
      const before = await this.look();
      if (!before.hasRecord) throw uploadNotFound(this.#id, 'expired, was aborted or never began');
      const epoch = (before.epochs[0] ?? 0) + 1;
      if (!(await this.#create(epoch))) continue;
      const { epochs } = await this.look();
      if (epochs[0] !== epoch) continue;
      await load(await this.read(epochs));
      this.#epoch = epoch;
      return;
    }
    throw this.#takenOver();
  }

  /** Writes the ledger of this owner, one at a time. Throws as `check`. */
  async write(ledger: Ledger): Promise<void> {
    const epoch = this.#requireEpoch();
    const key = ledgerKey(this.#keys, this.#id, epoch);
    await this.#bucket.put(key, Buffer.from(ledgerText(ledger)));
    try {
      await this.#check(epoch);
    } catch (reason) {
      // Nobody would look for it again.
      if (isGone(reason)) await this.#bucket.delete(key).catch(() => {});
      throw reason;
    }
  }

  /** Throws TAKEN_OVER, or UPLOAD_NOT_FOUND, where the upload is not ours any more. */
  async check(): Promise<void> {
    await this.#check(this.#requireEpoch());
  }

  /** Whatever has become of the upload here since then. */
  async #check(epoch: number): Promise<void> {
    const { epochs, hasRecord } = await this.look();
    if (hasRecord && (epochs[0] ?? 0) <= epoch) return;
    if (this.#epoch === epoch) this.#epoch = undefined;
    throw hasRecord ? this.#takenOver() : uploadNotFound(this.#id, 'expired or was aborted');
  }

  async #create(epoch: number): Promise<boolean> {
    try {
      await this.#bucket.put(ledgerKey(this.#keys, this.#id, epoch), new Uint8Array(0), null);
      return true;
    } catch (reason) {
      if (statusOf(reason) === 412 || statusOf(reason) === 409) return false;
      throw reason;
    }
  }

  #requireEpoch(): number {
    if (this.#epoch === undefined) throw this.#takenOver();
    return this.#epoch;
  }

  #takenOver(): TransferError {
    const message = `another server goes on with the upload ${quoteName(this.#id)}; ask for its state`;
    return new TransferError('TAKEN_OVER', message);
  }
}

function isGone(reason: unknown): boolean {
  return reason instanceof TransferError && reason.code === 'UPLOAD_NOT_FOUND';
}

/** Undefined for an object that is not there. */
export function unlessMissing(reason: unknown): undefined {
  if (statusOf(reason) !== 404) throw reason;
}
