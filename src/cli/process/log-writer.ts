/**
 * Writes lines to a descriptor that may block: a full disk, a pipe or terminal
 * that nobody reads. One write is under way at a time; the buffer is bounded,
 * and beyond the bound whole lines are dropped and counted.
 *
 * Invariant: no method waits, and nothing here keeps the process alive.
 */
import { write, writeSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';

export interface LogWriterOptions {
  /** Bytes that may wait. */
  maxBytes: number;
  /** How long after a failed write the next try is made. */
  retryMs: number;
  /** Lines can be written again, after so many were dropped. */
  onResumed: (droppedLines: number) => void;
}

/**
 * Lines that are written together: the system writes so many bytes to a pipe at once (PIPE_BUF), so that lines of
 * several processes do not mix.
 */
const BATCH_BYTES = 4096;

/** When a full pipe or terminal is tried again: a reader that keeps up takes 64 KiB each time. */
const FULL_RETRY_MS = 10;

export class LogWriter {
  readonly #fd: number;
  readonly #options: LogWriterOptions;
  #lines: string[] = [];
  #lineBytes = 0;
  /** What is being written, from `#offset` on. */
  #batch: Uint8Array = new Uint8Array();
  #offset = 0;
  #state: 'idle' | 'writing' | 'retrying' = 'idle';
  #droppedLines = 0;
  /** Dropped lines that `onResumed` was not told of yet. */
  #untoldLines = 0;

  /** `fd` is non-blocking unless it is a file; it is not closed here. */
  constructor(fd: number, options: LogWriterOptions) {
    this.#fd = fd;
    this.#options = options;
  }

  /** Since the beginning. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** `line` ends with a line break. */
  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    // After a drop, wait for half of the buffer: one long gap reads better than many short ones.
    const most = this.#untoldLines > 0 ? this.#options.maxBytes / 2 : this.#options.maxBytes;
    if (this.#waitingBytes + bytes > most) {
      this.#droppedLines += 1;
      this.#untoldLines += 1;
      return;
    }
    this.#tellDropped();
    this.#lines.push(line);
    this.#lineBytes += bytes;
    if (this.#state === 'idle') this.#writeNext();
  }

  /** Writes what waits as far as the descriptor takes it at once; for the end of the process. */
  flush(): void {
    // A write that a thread has begun ends before the process does.
    if (this.#state === 'writing') this.#offset = this.#batch.length;
    try {
      while (this.#takeBatch()) this.#offset += writeSync(this.#fd, this.#batch, this.#offset);
    } catch {
      // Standard error is gone: nowhere to report the failure.
    }
  }

  get #waitingBytes(): number {
    return this.#lineBytes + this.#batch.length - this.#offset;
  }

  readonly #writeNext = (): void => {
    this.#state = this.#takeBatch() ? 'writing' : 'idle';
    if (this.#state === 'writing') write(this.#fd, this.#batch, this.#offset, this.#onWritten);
    else this.#tellDropped();
  };

  readonly #onWritten = (reason: NodeJS.ErrnoException | null, bytes: number): void => {
    if (reason !== null) {
      this.#state = 'retrying';
      const isFull = errnoOf(reason) === 'EAGAIN';
      setTimeout(this.#writeNext, isFull ? FULL_RETRY_MS : this.#options.retryMs).unref();
      return;
    }
    this.#offset += bytes;
    this.#writeNext();
  };

  /** Puts the note where the lines are missing. */
  #tellDropped(): void {
    const untold = this.#untoldLines;
    this.#untoldLines = 0;
    if (untold > 0) this.#options.onResumed(untold);
  }

  #takeBatch(): boolean {
    if (this.#offset < this.#batch.length) return true;
    let bytes = 0;
    let count = 0;
    for (const line of this.#lines) {
      bytes += Buffer.byteLength(line);
      if (count > 0 && bytes > BATCH_BYTES) break;
      count += 1;
    }
    this.#batch = Buffer.from(this.#lines.splice(0, count).join(''));
    this.#lineBytes -= this.#batch.length;
    this.#offset = 0;
    return this.#batch.length > 0;
  }
}
