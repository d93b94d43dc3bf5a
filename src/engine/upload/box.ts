import { MAX_MESSAGES_PER_SLAB } from '../../base/limits.ts';
import type { DrainChunk } from '../jobs/job.ts';
import type { Lease } from '../slabs/slab-pool.ts';

/** The chunks of a job decompress to at most this many slabs and one chunk: about 4 ms of decompression. */
const MAX_INFLATED_SLABS = 4;

/** A chunk whose place in a slab is not settled. */
export type ArrivedChunk = Omit<DrainChunk, 'at'>;

/** A slab with checked-in chunks: what one job writes. */
export class Box {
  readonly lease: Lease;
  readonly chunks: DrainChunk[] = [];
  rawBytes = 0;
  workerDeaths = 0;
  readonly #slabBytes: number;
  readonly #isLeftInSlab: boolean;
  #usedBytes = 0;
  #arrived: Uint8Array | null = null;

  /** @param isLeftInSlab chunks are decompressed within the slab, so each needs as much of it as its raw bytes */
  constructor(lease: Lease, slabBytes: number, isLeftInSlab: boolean) {
    this.lease = lease;
    this.#slabBytes = slabBytes;
    this.#isLeftInSlab = isLeftInSlab;
  }

  /** Tiny chunks and those that inflate are bounded by what they cost beside their bytes. */
  fits(wireBytes: number): boolean {
    return (
      this.#usedBytes + wireBytes <= this.#slabBytes &&
      this.chunks.length < MAX_MESSAGES_PER_SLAB &&
      this.rawBytes < MAX_INFLATED_SLABS * this.#slabBytes
    );
  }

  /** What its chunks were received in. */
  get wireBytes(): number {
    return this.chunks.reduce((sum, { wireBytes }) => sum + wireBytes, 0);
  }

  /** Where the next chunk arrives. */
  slot(wireBytes: number): Uint8Array<SharedArrayBuffer> {
    return this.lease.bytes(this.#slabBytes).subarray(this.#usedBytes, this.#usedBytes + wireBytes);
  }

  /** Whether a chunk that has arrived here can stay. */
  holds(chunk: ArrivedChunk): boolean {
    return this.#usedBytes + this.#slotBytes(chunk) <= this.#slabBytes;
  }

  add(chunk: ArrivedChunk): void {
    this.chunks.push({ ...chunk, at: this.#usedBytes });
    this.#usedBytes += this.#slotBytes(chunk);
    this.rawBytes += chunk.rawBytes;
  }

  /** Before a job: keeps what decompressing within the slab writes over, so that the job can be done again. */
  keep(): void {
    if (!this.#isLeftInSlab) return;
    if (this.chunks.some(({ codec }) => codec !== 'identity')) {
      this.#arrived = new Uint8Array(this.bytes.subarray(0, this.#usedBytes)); // copy: the thread may die after changing the slab
    }
  }

  /** Behind a job whose thread has died, wherever it was. */
  restore(): void {
    if (this.#arrived !== null) this.bytes.set(this.#arrived);
    this.forget();
  }

  /** Behind a job that was answered: what was kept is not needed while the store writes. */
  forget(): void {
    this.#arrived = null;
  }

  /** The whole slab. */
  get bytes(): Uint8Array<SharedArrayBuffer> {
    return this.lease.bytes(this.#slabBytes);
  }

  #slotBytes({ rawBytes, wireBytes }: ArrivedChunk): number {
    return this.#isLeftInSlab ? Math.max(rawBytes, wireBytes) : wireBytes;
  }
}
