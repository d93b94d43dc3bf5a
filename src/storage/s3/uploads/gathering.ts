/**
 * The parts of one upload that are in memory: gathered until they are full, then
 * sent to the store.
 *
 *   gathering ──full──▶ storing ──▶ stored, and out of memory
 *       ▲               │
 *       └────failed─────┘  and sent again by `flush`
 *
 * Invariants: a part is sent only when it is full, or by `flush` up to the end of
 * the file; its bytes do not change from then on. Memory is that of the share.
 */
import { TransferError } from '../../../base/errors.ts';
import type { ByteRange } from '../../../base/ranges.ts';
import { GatheredPart } from './gathered-part.ts';
import type { PartShare } from './part-memory.ts';

export interface GatheringHost {
  /** Of every part but the last. */
  readonly partBytes: number;
  /** Bytes of the file, where that is known. */
  readonly expectedSize: number | undefined;
  isStored(index: number): boolean;
  /** Sends the part to the store and notes it. */
  store(part: GatheredPart, body: Buffer): Promise<void>;
  /** Bytes cannot be stored, or were given up: they are not there any more unless they are sent again. */
  failed(reason: unknown): void;
  dropped(): void;
}

export class Gathering {
  readonly #host: GatheringHost;
  readonly #share: PartShare;
  /** In the order in which bytes came to them last. */
  readonly #parts = new Map<number, GatheredPart>();

  constructor(host: GatheringHost, share: PartShare) {
    this.#host = host;
    this.#share = share;
  }

  get isEmpty(): boolean {
    return this.#parts.size === 0;
  }

  /** Those that the store does not have, in no order. */
  get parts(): GatheredPart[] {
    return [...this.#parts.values()].filter(({ index }) => !this.#host.isStored(index));
  }

  part(index: number): GatheredPart | undefined {
    return this.#parts.get(index);
  }

  /** As `Writer.write`. Copies the bytes, and waits only for memory. */
  async write(bytes: Uint8Array, offset: number, signal: AbortSignal): Promise<void> {
    const { partBytes } = this.#host;
    for (let at = 0; at < bytes.length; ) {
      const index = Math.floor((offset + at) / partBytes);
      const end = Math.min(bytes.length, (index + 1) * partBytes - offset);
      const part = await this.#writable(index, signal);
      part?.put(bytes.subarray(at, end), offset + at);
      if (part?.isFull === true && !this.#isOnly(part)) this.#store(part, part.end);
      at = end;
    }
  }

  /** Resolves when nothing is being sent. Full parts are sent first; with `size`, the last one up to that too. */
  async flush(size?: number): Promise<void> {
    for (const part of this.#parts.values()) {
      const end = Math.min(part.end, size ?? part.end);
      const isLast = size !== undefined && part.start < size && part.isFilledTo(end);
      if (isLast || (part.isFull && !this.#isOnly(part))) this.#store(part, end);
    }
    await this.idle();
  }

  /** Gives up all parts; those that are being sent go when that has ended. */
  drop(): void {
    for (const part of this.#parts.values()) {
      part.isDropped = true;
      if (part.storing === undefined) this.#remove(part);
    }
  }

  /** Resolves when nothing is being sent. */
  async idle(): Promise<void> {
    await Promise.all(this.#storing());
  }

  /** Sent by one PUT, at the finish. */
  #isOnly({ index }: GatheredPart): boolean {
    const { expectedSize, partBytes } = this.#host;
    return index === 0 && expectedSize !== undefined && expectedSize <= partBytes;
  }

  /** The part, with its memory; undefined where the store has it, or all of it has come: the bytes are the same. */
  async #writable(index: number, signal: AbortSignal): Promise<GatheredPart | undefined> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#host.isStored(index)) return undefined;
      const known = this.#parts.get(index);
      if (known !== undefined)
        return known.isFull || known.storing !== undefined ? undefined : this.#last(known);
      const range = this.#rangeOf(index);
      const bytes = range.end - range.start;
      if (this.#share.take(bytes))
        return this.#last(new GatheredPart(index, range, this.#share.buffer(bytes)));
      const storing = this.#storing();
      if (storing.length > 0) await untilAny(storing, signal);
      else this.#dropOne();
    }
  }

  #last(part: GatheredPart): GatheredPart {
    this.#parts.delete(part.index);
    this.#parts.set(part.index, part);
    return part;
  }

  #rangeOf(index: number): ByteRange {
    const { expectedSize, partBytes } = this.#host;
    const start = index * partBytes;
    return { start, end: Math.min(start + partBytes, expectedSize ?? Number.POSITIVE_INFINITY) };
  }

  #storing(): Promise<void>[] {
    return Array.from(this.#parts.values(), ({ storing }) => storing).filter((each) => each !== undefined);
  }

  /** The reservation of a stream is for the part that it fills: gives up another that was left in between. */
  #dropOne(): void {
    const [oldest] = this.#parts.values();
    if (oldest === undefined) throw new TransferError('RESOURCE_EXHAUSTED', NO_MEMORY);
    this.#remove(oldest);
    this.#host.dropped();
  }

  #remove(part: GatheredPart): void {
    if (this.#parts.get(part.index) !== part) return;
    this.#parts.delete(part.index);
    this.#share.give(part.buffer.length);
  }

  /** The store has answered that it has the bytes: nobody reads them any more. */
  #stored(part: GatheredPart): void {
    this.#remove(part);
    this.#share.recycle(part.buffer);
  }

  #store(part: GatheredPart, end: number): void {
    part.storing ??= this.#host
      .store(part, part.bytesTo(end))
      .then(
        () => this.#stored(part),
        (reason: unknown) => this.#host.failed(reason),
      )
      .finally(() => {
        part.storing = undefined;
        if (part.isDropped) this.#remove(part);
      });
  }
}

/** Resolves when one of them does; rejects with the reason of `signal`. */
async function untilAny(promises: readonly Promise<void>[], signal: AbortSignal): Promise<void> {
  let abort: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort);
  });
  try {
    await Promise.race([...promises, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

const NO_MEMORY = 'the server has no memory for a part of this upload; try again';
