import assert from 'node:assert/strict';
import type { Outlet } from '../../../src/engine/download/outlet.ts';
import type { StreamFileResponse } from '../../../src/wire/messages.ts';
import { decodeRun, rawBytesOf } from '../../support/decoded-run.ts';

/** When a write is drained: before `write` returns, at the next turn of the event loop, or by `drain` only. */
export type Draining = 'at once' | 'next turn' | 'by hand';

/**
 * A peer in memory. Like a kernel, it reads the bytes of a write as late as it
 * may: when it is drained.
 */
export class MemoryOutlet implements Outlet {
  draining: Draining;
  /** Of the drained writes, in order. */
  readonly messages: StreamFileResponse[] = [];
  wireBytes = 0;
  #pending: { run: Uint8Array; done: () => void } | null = null;
  #prove: () => void = () => {};
  readonly #untouched: Promise<void>;

  /** `isProven` false: `untouched` resolves by `proveUntouched` only. */
  constructor(draining: Draining, isProven = true) {
    this.draining = draining;
    this.#untouched = isProven ? Promise.resolve() : new Promise((resolve) => (this.#prove = resolve));
  }

  /** The outstanding write. */
  get pending(): Uint8Array | undefined {
    return this.#pending?.run;
  }

  /** The file bytes that arrived. */
  get received(): Buffer {
    return Buffer.concat(this.messages.map(rawBytesOf));
  }

  write(run: Uint8Array, done: () => void): void {
    assert.equal(this.#pending, null, 'at most one write is outstanding');
    this.#pending = { run, done };
    if (this.draining === 'at once') this.drain();
    else if (this.draining === 'next turn') setImmediate(() => this.draining === 'next turn' && this.drain());
  }

  /** Takes the outstanding write. */
  drain(): void {
    assert.ok(this.#pending, 'a write is outstanding');
    const { run, done } = this.#pending;
    this.#pending = null;
    this.wireBytes += run.length;
    this.messages.push(...decodeRun(run));
    done();
  }

  /** From now on, and with the outstanding write, takes everything. */
  drainAll(): void {
    this.draining = 'next turn';
    if (this.#pending !== null) this.drain();
  }

  untouched(): Promise<void> {
    return this.#untouched;
  }

  proveUntouched(): void {
    this.#prove();
  }
}
