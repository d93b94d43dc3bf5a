import { setImmediate } from 'node:timers/promises';
import type { Reader } from '../../../src/storage/byte-source.ts';

/** When a read is answered: by the next turn of the event loop, or by `answer` only. */
export type Answering = 'next turn' | 'by hand';

interface PendingRead {
  target: Uint8Array<SharedArrayBuffer>;
  offset: number;
  end: (bytes: number) => void;
  fail: (reason: unknown) => void;
}

/** The bytes of a file in memory, behind asynchronous reads. */
export class MemoryReader implements Reader {
  readonly kind = 'reader';
  bytes: Buffer;
  answering: Answering;
  /** Answers a read that nobody wants any more as late as any other. */
  isDeaf = false;
  /** What reads fail with. */
  failure: Error | undefined;
  readonly pending = new Set<PendingRead>();

  constructor(bytes: Buffer, answering: Answering = 'next turn') {
    this.bytes = bytes;
    this.answering = answering;
  }

  async read(target: Uint8Array<SharedArrayBuffer>, offset: number, signal: AbortSignal): Promise<number> {
    if (this.answering === 'next turn') {
      await setImmediate();
      return this.#fill(target, offset);
    }
    return await new Promise<number>((resolve, reject) => {
      const read: PendingRead = { target, offset, end: resolve, fail: reject };
      this.pending.add(read);
      signal.addEventListener('abort', () => {
        if (this.isDeaf || !this.pending.delete(read)) return;
        reject(new Error('aborted'));
      });
    });
  }

  /** Answers what was asked until now, the last first, and from now on everything. */
  answer(): void {
    this.answering = 'next turn';
    for (const read of [...this.pending].reverse()) {
      this.pending.delete(read);
      try {
        read.end(this.#fill(read.target, read.offset));
      } catch (reason) {
        read.fail(reason);
      }
    }
  }

  #fill(target: Uint8Array, offset: number): number {
    if (this.failure !== undefined) throw this.failure;
    const bytes = this.bytes.subarray(offset, offset + target.length);
    target.set(bytes);
    return bytes.length;
  }
}
