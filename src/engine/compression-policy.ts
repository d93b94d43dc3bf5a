/**
 * Whether a stream's next job is compressed.
 *
 * A stream that may compress starts with a probe. As long as jobs get smaller
 * it goes on; once one does not, it leaves the next bytes alone, twice as many
 * each time, and then probes again: an archive can hold text behind pictures.
 */
import { MIB } from '../base/units.ts';
import type { FilledRun } from './job.ts';

/** never: identity. auto: as long as it pays. always: every chunk that gets smaller. */
export type CompressionMode = 'never' | 'auto' | 'always';

const FIRST_PAUSE_BYTES = 8 * MIB;
const MAX_PAUSE_BYTES = 512 * MIB;

export class CompressionPolicy {
  readonly #mode: CompressionMode;
  readonly #level: number;
  #paying = false;
  #pauseBytes = FIRST_PAUSE_BYTES;
  /** The file offset below which nothing is tried. */
  #resumeOffset = 0;

  constructor(mode: CompressionMode, level: number) {
    this.#mode = mode;
    this.#level = level;
  }

  /** The gzip level of a job that starts at `offset`; 0 is identity. */
  levelAt(offset: number): number {
    if (this.#mode === 'never' || offset < this.#resumeOffset) return 0;
    return this.#level;
  }

  /** Whether a job must try a sample first. */
  get mustProbe(): boolean {
    return this.#mode === 'auto' && !this.#paying;
  }

  /** Learns from a job that was tried with compression and ended at `endOffset`. */
  observe(run: FilledRun, endOffset: number): void {
    if (this.#mode !== 'auto') return;
    // Several jobs are under way when the bytes change their kind; only the first of them tells something new.
    if (endOffset <= this.#resumeOffset) return;
    this.#paying = !run.incompressible;
    if (this.#paying) {
      this.#pauseBytes = FIRST_PAUSE_BYTES;
      return;
    }
    this.#resumeOffset = Math.max(this.#resumeOffset, endOffset + this.#pauseBytes);
    this.#pauseBytes = Math.min(this.#pauseBytes * 2, MAX_PAUSE_BYTES);
  }
}
