/**
 * A terminal that is drawn on again and again, on its alternate screen. Invariant:
 * whatever ends the process but SIGKILL, the terminal is as it was.
 */
import type { ReadStream, WriteStream } from 'node:tty';

/** Alternate screen, no cursor, no wrapping. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';

/** Terminals that know it show what is between as a whole; the others ignore it. */
const BEGIN_UPDATE = '\u001b[?2026h';
const END_UPDATE = '\u001b[?2026l';

const HOME = '\u001b[H';
const TO_END_OF_LINE = '\u001b[K';
const TO_END_OF_SCREEN = '\u001b[J';

/** What a terminal in raw mode sends for Ctrl-C and Ctrl-Z. */
const CTRL_C = '\u0003';
const CTRL_Z = '\u001a';

export interface ScreenEvents {
  /** `q`, or Ctrl-C. */
  readonly onQuit: () => void;
  /** The terminal has another size, or shows this program again. */
  readonly onRedraw: () => void;
}

export class Screen {
  readonly #output: WriteStream;
  readonly #input: ReadStream;
  readonly #events: ScreenEvents;
  #isShown = false;

  constructor(output: WriteStream, input: ReadStream, events: ScreenEvents) {
    this.#output = output;
    this.#input = input;
    this.#events = events;
    process.once('exit', this.#leave);
    process.on('SIGCONT', this.#enter);
    output.on('resize', events.onRedraw);
    if (input.isTTY) input.on('data', this.#onKeys);
    this.#enter();
  }

  get size(): { columns: number; rows: number } {
    // 0: a terminal that does not know.
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }

  /** Replaces what is shown. A terminal that does not keep up misses some. */
  draw(lines: readonly string[]): void {
    if (!this.#isShown || this.#output.writableNeedDrain) return;
    // In front of the line: behind a full one the cursor is still on its last column, which would be erased.
    const text = lines.map((line) => TO_END_OF_LINE + line).join('\r\n');
    this.#output.write(BEGIN_UPDATE + HOME + text + TO_END_OF_SCREEN + END_UPDATE);
  }

  /** Safe to call twice. */
  close(): void {
    process.off('exit', this.#leave);
    process.off('SIGCONT', this.#enter);
    this.#output.off('resize', this.#events.onRedraw);
    this.#input.off('data', this.#onKeys);
    this.#leave();
    this.#input.unref();
  }

  readonly #enter = (): void => {
    if (this.#input.isTTY) this.#input.setRawMode(true);
    if (!this.#isShown) this.#output.write(ENTER);
    this.#isShown = true;
    this.#events.onRedraw();
  };

  readonly #leave = (): void => {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#output.write(LEAVE);
    if (this.#input.isTTY) this.#input.setRawMode(false);
  };

  readonly #onKeys = (keys: Buffer): void => {
    for (const key of keys.toString('latin1')) {
      if (key === 'q' || key === 'Q' || key === CTRL_C) this.#events.onQuit();
      if (key === CTRL_Z) this.#suspend();
    }
  };

  #suspend(): void {
    this.#leave();
    process.kill(process.pid, 'SIGSTOP');
  }
}
