/**
 * An index of all uploads in memory, enough for the limits and for expiry.
 * Bounded by `maxOpen`, and by how many finished uploads are remembered.
 */
import { TransferError } from '../../../base/errors.ts';

/** An unfinished upload. Sizes in bytes. */
export interface OpenEntry {
  readonly receivedSize: number;
  readonly touchedMs: number;
}

/** The owner of uploads of earlier processes that no identity began. */
const UNKNOWN_OWNER = '';

/** How long an upload without a byte is spared when places are short: its first call may be in flight. */
const EMPTY_GRACE_MS = 10_000;

/** With more finished uploads, the oldest are forgotten before they expire. */
const MAX_FINISHED_UPLOADS = 16_384;

export class UploadIndex {
  readonly #maxOpen: number;
  readonly #maxTotalBytes: number;
  /** In order of beginning or discovery. */
  readonly #open = new Map<string, OpenEntry & { readonly owner: string }>();
  /** Times of finishing; in that order for this process, behind uploads found at the start. */
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

  isOpen(id: string): boolean {
    return this.#open.has(id);
  }

  /** The unfinished ones, in order of beginning or discovery; those of an earlier process that no identity began without an owner. */
  *open(): Generator<OpenEntry & { readonly id: string; readonly owner: string | undefined }> {
    for (const [id, { owner, ...entry }] of this.#open)
      yield { id, owner: owner === UNKNOWN_OWNER ? undefined : owner, ...entry };
  }

  /** What has lived for `expiryMs` at `nowMs`; where it has no byte, for `emptyMs`. */
  expired(nowMs: number, expiryMs: number, emptyMs: number): string[] {
    const open = [...this.#open].filter(([, entry]) =>
      entry.receivedSize === 0 ? entry.touchedMs + emptyMs <= nowMs : entry.touchedMs + expiryMs <= nowMs,
    );
    const finished = [...this.#finished].filter(([, finishedMs]) => finishedMs + expiryMs <= nowMs);
    return [...open, ...finished].map(([id]) => id);
  }

  /** Of one that is in `expired`: that it was not used again since. */
  isUntouchedSince(id: string, timeMs: number): boolean {
    const touchedMs = this.#open.get(id)?.touchedMs ?? this.#finished.get(id);
    return touchedMs !== undefined && touchedMs <= timeMs;
  }

  /** A finished upload to forget, when there are more than are remembered. */
  get superfluous(): string | undefined {
    return this.#finished.size > MAX_FINISHED_UPLOADS ? this.#finished.keys().next().value : undefined;
  }

  get isFull(): boolean {
    return this.#open.size >= this.#maxOpen;
  }

  /**
   * The upload to discard so that `owner` may begin another one: one without a
   * byte; else, where `owner` has less than its share, the emptiest of the owner furthest
   * above its share. None that is `busy`. The oldest of equals.
   */
  victimFor(owner: string, nowMs: number, isBusy: (id: string) => boolean): string | undefined {
    const counts = new Map<string, number>();
    for (const entry of this.#open.values()) counts.set(entry.owner, (counts.get(entry.owner) ?? 0) + 1);
    const idle = [...this.#open].filter(([id]) => !isBusy(id));
    const empty = idle.filter(
      ([, { receivedSize, touchedMs }]) => receivedSize === 0 && touchedMs + EMPTY_GRACE_MS <= nowMs,
    );
    const byCount = (a: (typeof idle)[number], b: (typeof idle)[number]) =>
      (counts.get(b[1].owner) ?? 0) - (counts.get(a[1].owner) ?? 0);
    if (empty.length > 0) return empty.sort(byCount)[0]?.[0];

    const own = counts.get(owner) ?? 0;
    const share = Math.max(1, Math.floor(this.#maxOpen / (counts.size + (own === 0 ? 1 : 0))));
    if (own >= share) return undefined;
    const above = idle.filter(([, entry]) => (counts.get(entry.owner) ?? 0) > share);
    return above.sort((a, b) => byCount(a, b) || a[1].receivedSize - b[1].receivedSize)[0]?.[0];
  }

  /**
   * Takes in a new upload of `owner`.
   *
   * @throws TransferError RESOURCE_EXHAUSTED, DISK_FULL, TOO_LARGE.
   */
  admit(id: string, owner: string, declaredSize: number, nowMs: number): void {
    if (this.isFull) {
      const message = `the server has ${this.#maxOpen} unfinished uploads, its limit; finish or abort one, or try again later`;
      throw new TransferError('RESOURCE_EXHAUSTED', message);
    }
    if (this.#maxTotalBytes > 0 && declaredSize > this.#maxTotalBytes) {
      const message = `${declaredSize} bytes are more than the ${this.#maxTotalBytes} that unfinished uploads may take together here; split the file`;
      throw new TransferError('TOO_LARGE', message);
    }
    this.#checkTotal(1);
    this.#open.set(id, { owner, receivedSize: 0, touchedMs: nowMs });
  }

  /**
   * Whether an upload may become `receivedSize` bytes.
   *
   * @throws TransferError DISK_FULL.
   */
  checkGrowth(id: string, receivedSize: number): void {
    const entry = this.#open.get(id);
    if (entry !== undefined) this.#checkTotal(receivedSize - entry.receivedSize);
  }

  /** @param owner of one that was not known: the identity that began it in an earlier process */
  noteOpen(id: string, { receivedSize, touchedMs }: OpenEntry, owner = UNKNOWN_OWNER): void {
    const before = this.#open.get(id);
    this.#totalBytes += receivedSize - (before?.receivedSize ?? 0);
    this.#open.set(id, { owner: before?.owner ?? owner, receivedSize, touchedMs });
  }

  noteFinished(id: string, finishedMs: number): void {
    this.forget(id);
    this.#finished.set(id, finishedMs);
  }

  forget(id: string): void {
    this.#totalBytes -= this.#open.get(id)?.receivedSize ?? 0;
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
