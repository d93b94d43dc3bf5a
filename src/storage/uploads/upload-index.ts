/**
 * What is known of all uploads without reading a file: enough for the limits and
 * for expiry. Bounded by `maxOpen`, and by how many finished ones are remembered.
 */
import { TransferError } from '../../base/errors.ts';

/** An unfinished upload. Sizes in bytes. */
export interface OpenEntry {
  readonly declaredSize: number | undefined;
  readonly receivedSize: number;
  readonly touchedMs: number;
}

/** Finished uploads that are remembered; beyond it the oldest are forgotten before they expire. */
const MAX_FINISHED_UPLOADS = 16_384;

export class UploadIndex {
  readonly #maxOpen: number;
  readonly #maxTotalBytes: number;
  readonly #open = new Map<string, OpenEntry>();
  /** When each was finished; those of this process in that order, behind those found at its start. */
  readonly #finished = new Map<string, number>();
  #totalBytes = 0;

  /** `maxTotalBytes` 0 is no limit. */
  constructor(maxOpen: number, maxTotalBytes: number) {
    this.#maxOpen = maxOpen;
    this.#maxTotalBytes = maxTotalBytes;
  }

  has(id: string): boolean {
    return this.#open.has(id) || this.#finished.has(id);
  }

  /** The uploads that got their last byte, or were finished, at `timeMs` or before. */
  untouchedSince(timeMs: number): string[] {
    return [...this.#open.keys(), ...this.#finished.keys()].filter((id) => this.isUntouchedSince(id, timeMs));
  }

  isUntouchedSince(id: string, timeMs: number): boolean {
    const touchedMs = this.#open.get(id)?.touchedMs ?? this.#finished.get(id);
    return touchedMs !== undefined && touchedMs <= timeMs;
  }

  /** A finished upload to forget, when there are more than are remembered. */
  get superfluous(): string | undefined {
    return this.#finished.size > MAX_FINISHED_UPLOADS ? this.#finished.keys().next().value : undefined;
  }

  /**
   * Takes in a new upload.
   *
   * @throws TransferError RESOURCE_EXHAUSTED, DISK_FULL.
   */
  admit(id: string, declaredSize: number | undefined, nowMs: number): void {
    if (this.#open.size >= this.#maxOpen) {
      const message = `the server has ${this.#maxOpen} unfinished uploads, its limit; finish or abort one, or try again later`;
      throw new TransferError('RESOURCE_EXHAUSTED', message);
    }
    this.#checkTotal(declaredSize ?? 0);
    this.noteOpen(id, { declaredSize, receivedSize: 0, touchedMs: nowMs });
  }

  /**
   * Whether an upload may become `receivedSize` bytes.
   *
   * @throws TransferError DISK_FULL.
   */
  checkGrowth(id: string, receivedSize: number): void {
    const entry = this.#open.get(id);
    if (entry !== undefined) this.#checkTotal(bytesOf({ ...entry, receivedSize }) - bytesOf(entry));
  }

  noteOpen(id: string, entry: OpenEntry): void {
    this.#totalBytes += bytesOf(entry) - bytesOf(this.#open.get(id));
    this.#open.set(id, entry);
  }

  noteFinished(id: string, finishedMs: number): void {
    this.forget(id);
    this.#finished.set(id, finishedMs);
  }

  forget(id: string): void {
    this.#totalBytes -= bytesOf(this.#open.get(id));
    this.#open.delete(id);
    this.#finished.delete(id);
  }

  #checkTotal(moreBytes: number): void {
    if (this.#maxTotalBytes === 0 || moreBytes <= 0) return;
    if (this.#totalBytes + moreBytes <= this.#maxTotalBytes) return;
    const message = `unfinished uploads may take ${this.#maxTotalBytes} bytes together, and these are used up; resume when others have ended`;
    throw new TransferError('DISK_FULL', message);
  }
}

/** What an upload counts for: what it is to become, or what it has become without saying. */
function bytesOf(entry: OpenEntry | undefined): number {
  return entry === undefined ? 0 : Math.max(entry.declaredSize ?? 0, entry.receivedSize);
}
