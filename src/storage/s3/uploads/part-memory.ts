/**
 * The memory of parts, one sum for all uploads of a server. Each stream reserves a
 * part's before it begins; what nobody has reserved may be borrowed.
 *
 * Invariant: an upload is charged the larger of what it has reserved and what it
 * uses, and all charges together, with the spare buffers, are within the limit.
 */
import { TransferError } from '../../../base/errors.ts';

/** Buffers that are kept for the next parts. */
const MAX_SPARE = 8;

/** A stream waits this long to begin. */
const RESERVE_TIMEOUT_MS = 15_000;

interface Waiting {
  readonly bytes: number;
  begin(): void;
}

export class PartMemory {
  #freeBytes: number;
  /** Of parts that were stored. V8 collects its whole heap for every few large buffers that are new. */
  readonly #spare: Buffer[] = [];
  readonly #waiting = new Set<Waiting>();
  /** What drops the parts of uploads that nobody writes to; the longest idle first. */
  readonly #idle = new Set<() => void>();
  /** What a drop gives back goes to whoever is being served. */
  #isServing = false;

  constructor(limitBytes: number) {
    this.#freeBytes = limitBytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** False where there are not so many, or others wait for them. */
  take(bytes: number): boolean {
    if (this.#waiting.size > 0) return false;
    this.#dropIdle(bytes);
    if (this.#freeBytes < bytes) return false;
    this.#freeBytes -= bytes;
    this.#trimSpare();
    return true;
  }

  /** So many bytes that were taken; something may be in them. */
  buffer(bytes: number): Buffer {
    const at = this.#spare.findIndex(({ length }) => length === bytes);
    const [spare] = at < 0 ? [] : this.#spare.splice(at, 1);
    return spare ?? Buffer.allocUnsafeSlow(bytes);
  }

  /** Takes what nobody uses any more, before or behind its `give`. */
  recycle(buffer: Buffer): void {
    this.#spare.push(buffer);
    this.#trimSpare();
  }

  /** Throws RESOURCE_EXHAUSTED where none become free in time. */
  async wait(bytes: number): Promise<void> {
    if (this.take(bytes)) return;
    await new Promise<void>((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        bytes,
        begin: () => {
          end();
          resolve();
        },
      };
      const timer = setTimeout(() => {
        end();
        reject(new TransferError('RESOURCE_EXHAUSTED', TOO_MANY));
        this.#serve();
      }, RESERVE_TIMEOUT_MS);
      this.#waiting.add(waiting);
    });
  }

  give(bytes: number): void {
    this.#freeBytes += bytes;
    if (!this.#isServing) this.#serve();
  }

  /** Nobody writes to an upload that has parts; `drop` gives their memory back when it is wanted. */
  mayDrop(drop: () => void): void {
    this.#idle.delete(drop);
    this.#idle.add(drop);
    this.#serve();
  }

  mayNotDrop(drop: () => void): void {
    this.#idle.delete(drop);
  }

  #serve(): void {
    this.#isServing = true;
    for (const waiting of this.#waiting) {
      this.#dropIdle(waiting.bytes);
      if (this.#freeBytes < waiting.bytes) break;
      this.#freeBytes -= waiting.bytes;
      waiting.begin();
    }
    this.#trimSpare();
    this.#isServing = false;
  }

  #trimSpare(): void {
    let bytes = this.#spare.reduce((sum, { length }) => sum + length, 0);
    while (bytes > this.#freeBytes || this.#spare.length > MAX_SPARE)
      bytes -= this.#spare.shift()?.length ?? 0;
  }

  #dropIdle(wantedBytes: number): void {
    for (const drop of this.#idle) {
      if (this.#freeBytes >= wantedBytes) return;
      this.#idle.delete(drop);
      drop();
    }
  }
}

/** The share of one upload. */
export class PartShare {
  readonly #memory: PartMemory;
  #reservedBytes = 0;
  #usedBytes = 0;
  #chargedBytes = 0;

  constructor(memory: PartMemory) {
    this.#memory = memory;
  }

  /** For a stream that begins. Throws RESOURCE_EXHAUSTED. */
  async reserve(bytes: number): Promise<void> {
    for (;;) {
      const missingBytes = this.#reservedBytes + bytes - this.#chargedBytes;
      if (missingBytes <= 0) break;
      await this.#memory.wait(missingBytes);
      this.#chargedBytes += missingBytes;
    }
    this.#reservedBytes += bytes;
    this.#settle();
  }

  unreserve(bytes: number): void {
    this.#reservedBytes -= bytes;
    this.#settle();
  }

  /** False where neither the reservation nor what is free has so many. */
  take(bytes: number): boolean {
    const missingBytes = Math.max(0, this.#usedBytes + bytes - this.#chargedBytes);
    if (missingBytes > 0 && !this.#memory.take(missingBytes)) return false;
    this.#chargedBytes += missingBytes;
    this.#usedBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
    this.#settle();
  }

  /** As of `PartMemory`. */
  buffer(bytes: number): Buffer {
    return this.#memory.buffer(bytes);
  }

  /** As of `PartMemory`. */
  recycle(buffer: Buffer): void {
    this.#memory.recycle(buffer);
  }

  #settle(): void {
    const superfluousBytes = this.#chargedBytes - Math.max(this.#reservedBytes, this.#usedBytes);
    if (superfluousBytes <= 0) return;
    this.#chargedBytes -= superfluousBytes;
    this.#memory.give(superfluousBytes);
  }
}

const TOO_MANY =
  'the server receives as many uploads for its object store at the same time as its memory for parts allows; try again';
