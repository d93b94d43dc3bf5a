/**
 * What all ranges share that go to one peer over one stream: how much a write
 * may carry, how it is coded, and how many runs are begun and not drained. A call
 * of its own has one range. An exchange has many, and holds no more slabs for that.
 *
 *   begin ──▶ ahead ──toWrite──▶ writing ──drained──▶
 *               └──dropped──▶
 *
 * Ranges that the bound holds back wait in line, so that they take turns.
 */
import { StreamCoding } from './stream-coding.ts';
import { WriteSizer } from './write-sizer.ts';

/** A range that waits until it may begin a run. */
export interface PacedRange {
  wantJob(): void;
}

export interface PaceOptions {
  firstMessageBytes: number;
  slabBytes: number;
  jobsInFlight: number;
  gzipLevel: number;
  maxGzipLevel: number;
}

export class PeerPace {
  readonly sizer: WriteSizer;
  readonly coding: StreamCoding;
  readonly #jobsInFlight: number;
  /** Runs that are being made, or wait to be written. */
  #ahead = 0;
  #writing = 0;
  #begunBytes = 0;
  readonly #waiting: PacedRange[] = [];

  constructor(options: PaceOptions) {
    this.sizer = new WriteSizer(options.firstMessageBytes, options.slabBytes);
    this.coding = new StreamCoding(options);
    this.#jobsInFlight = options.jobsInFlight;
  }

  /** A run that is begun now would wait behind others for the peer. */
  get isBusy(): boolean {
    return this.#ahead + this.#writing > 0;
  }

  /** Runs that may be begun now, once the peer has shown that it takes more than the first. */
  get free(): number {
    return Math.min(this.#jobsInFlight - this.#ahead, this.#jobsInFlight + 1 - this.#ahead - this.#writing);
  }

  /** Returns where the run ends in all that was begun. */
  begun(rawBytes: number): number {
    this.#ahead += 1;
    this.#begunBytes += rawBytes;
    return this.#begunBytes;
  }

  toWrite(): void {
    this.#ahead -= 1;
    this.#writing += 1;
  }

  drained(): void {
    this.#writing -= 1;
    this.passOn();
  }

  dropped(runs: number): void {
    this.#ahead -= runs;
    this.passOn();
  }

  /** The range wants to begin a run, and may not now: it is told when it may. */
  wait(range: PacedRange): void {
    if (!this.#waiting.includes(range)) this.#waiting.push(range);
  }

  /** The range is over. */
  forget(range: PacedRange): void {
    const at = this.#waiting.indexOf(range);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.passOn();
  }

  /** As many of those that wait as may begin now have their turn; also when one had it and begins nothing. */
  passOn(): void {
    for (let turns = this.free; turns > 0 && this.free > 0; turns--) {
      const range = this.#waiting.shift();
      if (range === undefined) return;
      range.wantJob();
    }
  }
}
