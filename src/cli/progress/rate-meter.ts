/** The rate of the last few seconds: steady enough to read, quick enough to follow the link. */

/** The rate is the mean over this time: steady enough to read, quick enough after a change. */
const SPAN_MS = 5_000;

/** Samples closer together than this replace each other, which bounds their number. */
const SPACING_MS = 100;

/** Over less time the rate is noise. */
const MIN_SPAN_MS = 500;

interface Sample {
  atMs: number;
  bytes: number;
}

export class RateMeter {
  readonly #samples: Sample[] = [];

  /** `bytes` is a running total; when it falls (a restart), measuring begins again. */
  add(bytes: number, atMs: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && bytes < last.bytes) this.#samples.length = 0;
    if (this.#samples.length > 1 && last !== undefined && atMs - last.atMs < SPACING_MS) this.#samples.pop();
    this.#samples.push({ atMs, bytes });
    while (this.#samples.length > 2 && atMs - (this.#samples[1]?.atMs ?? atMs) >= SPAN_MS)
      this.#samples.shift();
  }

  /** Undefined until there is enough to tell. */
  get bytesPerSec(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs - first.atMs < MIN_SPAN_MS) return undefined;
    return ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * 1000;
  }
}
