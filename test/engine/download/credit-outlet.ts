/** Many outlets with credit over one stream, as requests of one call would have them. */
import assert from 'node:assert/strict';
import type { Watched } from '../../../src/base/stall-clock.ts';
import type { Credit, Outlet } from '../../../src/engine/download/outlet.ts';
import { decodeRun, rawBytesOf } from '../../support/decoded-run.ts';

interface Write {
  readonly outlet: CreditOutlet;
  readonly run: Uint8Array;
  readonly done: () => void;
}

/** The stream: takes one write at a time, in the order in which they come. */
export class SharedStream implements Watched {
  movedBytes = 0;
  /** Outlets whose writes were taken, in order. */
  readonly taken: CreditOutlet[] = [];
  readonly stillMs: number[] = [];
  readonly #writes: Write[] = [];

  get isHeldUp(): boolean {
    return this.#writes.length === 0;
  }

  still(stillMs: number): void {
    this.stillMs.push(stillMs);
  }

  write(write: Write): void {
    assert.ok(!this.#writes.some(({ outlet }) => outlet === write.outlet), 'one write of each outlet');
    this.#writes.push(write);
    if (this.#writes.length === 1) setImmediate(() => this.#take());
  }

  #take(): void {
    const { done, outlet, run } = this.#writes[0] as Write;
    this.movedBytes += run.length;
    this.taken.push(outlet);
    outlet.took(run);
    this.#writes.shift();
    if (this.#writes.length > 0) setImmediate(() => this.#take());
    done();
  }
}

/** One request: what its peer grants, and what arrived. */
export class CreditOutlet implements Outlet, Credit {
  readonly credit: Credit = this;
  grantedBytes: number;
  readonly #stream: SharedStream;
  readonly #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #onGrant: () => void = () => {};

  constructor(stream: SharedStream, grantedBytes: number) {
    this.#stream = stream;
    this.grantedBytes = grantedBytes;
  }

  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** The peer is ready to take so much more. */
  grant(bytes: number): void {
    this.grantedBytes += bytes;
    this.#onGrant();
  }

  onGrant(listener: () => void): void {
    this.#onGrant = listener;
  }

  write(run: Uint8Array, done: () => void): void {
    this.#stream.write({ outlet: this, run, done });
  }

  untouched(): Promise<void> {
    return Promise.resolve();
  }

  took(run: Uint8Array): void {
    for (const bytes of decodeRun(run).map(rawBytesOf)) {
      this.#received.push(bytes);
      this.#receivedBytes += bytes.length;
    }
    assert.ok(this.#receivedBytes <= this.grantedBytes, 'more than was granted');
  }
}
