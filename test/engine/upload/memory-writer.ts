import { setImmediate } from 'node:timers/promises';
import type { Writer } from '../../../src/storage/byte-source.ts';

/** When a write is done: by the next turn of the event loop, or by `finish` only. */
export type Finishing = 'next turn' | 'by hand';

/** A store in memory that is given its bytes. Like a socket, it reads them as late as it may. */
export class MemoryWriter implements Writer {
  readonly kind = 'writer';
  finishing: Finishing;
  /** What writes fail with. */
  failure: Error | undefined;
  /** Writes that nobody wanted any more when they were done. */
  lateWrites = 0;
  readonly #pending = new Set<() => void>();
  #bytes = Buffer.alloc(0);

  constructor(finishing: Finishing = 'next turn') {
    this.finishing = finishing;
  }

  get pendingWrites(): number {
    return this.#pending.size;
  }

  /** The file. */
  bytes(): Buffer {
    return this.#bytes;
  }

  async write(bytes: Uint8Array<SharedArrayBuffer>, offset: number, signal: AbortSignal): Promise<void> {
    if (this.finishing === 'next turn') await setImmediate();
    else await new Promise<void>((resolve) => this.#pending.add(resolve));
    if (signal.aborted) this.lateWrites += 1;
    if (this.failure !== undefined) throw this.failure;
    this.#store(bytes, offset);
  }

  /** Does what was asked for until now, and from now on everything. */
  finish(): void {
    this.finishing = 'next turn';
    for (const resolve of this.#pending) resolve();
    this.#pending.clear();
  }

  #store(bytes: Uint8Array, offset: number): void {
    const end = offset + bytes.length;
    if (end > this.#bytes.length) {
      const grown = Buffer.alloc(end);
      this.#bytes.copy(grown);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, offset);
  }
}
