/**
 * The floor of free space. Chunks are checked against the last measurement less
 * the bytes written since, so that no chunk waits for a system call; an old
 * measurement is renewed in the background. Declared but unsent bytes are not
 * reserved: an upload that never goes on would block others.
 */
import { TransferError } from '../../../../base/errors.ts';
import type { Logger } from '../../../../base/logger.ts';
import { formatBytes, MIB } from '../../../../base/units.ts';

/** A measurement is used for this long, or until this much was written. */
const MAX_AGE_MS = 1000;
const MAX_UNMEASURED_BYTES = 64 * MIB;

export class FreeSpace {
  readonly #measure: () => Promise<number>;
  readonly #minFreeBytes: number;
  readonly #now: () => number;
  readonly #logger: Logger;
  #freeBytes = Number.POSITIVE_INFINITY;
  #writtenBytes = 0;
  #measuredMs = Number.NEGATIVE_INFINITY;
  #measuring: Promise<void> | undefined;

  /** `minFreeBytes` 0 never measures. */
  constructor(measure: () => Promise<number>, minFreeBytes: number, now: () => number, logger: Logger) {
    this.#measure = measure;
    this.#minFreeBytes = minFreeBytes;
    this.#now = now;
    this.#logger = logger;
  }

  /**
   * Whether `bytes` more leave enough free.
   *
   * @throws TransferError DISK_FULL.
   */
  check(bytes: number): void {
    if (this.#minFreeBytes === 0) return;
    if (this.#isOld()) void this.measure();
    if (this.#freeBytes - this.#writtenBytes - bytes >= this.#minFreeBytes) return;
    const message = `the disk of the server would have less than ${formatBytes(this.#minFreeBytes)} free; resume when there is room`;
    throw new TransferError('DISK_FULL', message);
  }

  noteWritten(bytes: number): void {
    this.#writtenBytes += bytes;
    if (this.#minFreeBytes > 0 && this.#isOld()) void this.measure();
  }

  /** Makes the last measurement a new one; where that fails it stays. */
  async measure(): Promise<void> {
    if (this.#minFreeBytes === 0) return;
    this.#measuring ??= this.#measureOnce();
    await this.#measuring;
  }

  /** Resolves when nothing is measured. */
  async idle(): Promise<void> {
    await this.#measuring;
  }

  #isOld(): boolean {
    return this.#writtenBytes > MAX_UNMEASURED_BYTES || this.#now() - this.#measuredMs > MAX_AGE_MS;
  }

  async #measureOnce(): Promise<void> {
    const writtenBefore = this.#writtenBytes;
    try {
      this.#freeBytes = await this.#measure();
      this.#writtenBytes -= writtenBefore;
    } catch (reason) {
      this.#logger.warn({ err: reason }, 'the free space of the disk cannot be read');
    }
    this.#measuredMs = this.#now();
    this.#measuring = undefined;
  }
}
