/** One line on a terminal that says what is being measured and how long all of it will take. */
import { Presets, SingleBar } from 'cli-progress';
import { colorsFor } from '../process/output.ts';
import { writeWait } from '../progress/progress-text.ts';
import type { Step } from './display.ts';

const BAR_CELLS = 20;

export class StepBar {
  readonly #stream: NodeJS.WriteStream;
  readonly #bar: SingleBar;
  #step: Step = { label: '', doneMs: 0, leftMs: 0 };
  #stepAtMs = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#bar = new SingleBar(
      {
        stream,
        clearOnComplete: true,
        hideCursor: true,
        gracefulExit: false,
        fps: 5,
        forceRedraw: true,
        format: () => this.#line(),
      },
      Presets.shades_classic,
    );
  }

  show(step: Step): void {
    this.#step = step;
    this.#stepAtMs = performance.now();
    if (this.#bar.isActive) this.#bar.update(0);
    else {
      // A second Ctrl-C ends the process at once; the cursor must come back.
      process.once('exit', this.#onExit);
      this.#bar.start(1, 0);
    }
  }

  /** Clears the line for other output; the next step draws the bar again. */
  clear(): void {
    process.off('exit', this.#onExit);
    if (this.#bar.isActive) this.#bar.stop();
  }

  readonly #onExit = (): void => this.clear();

  /** The bar moves with the clock between steps. */
  #line(): string {
    const { cyan, dim } = colorsFor(this.#stream);
    const { doneMs, label, leftMs } = this.#step;
    const sinceMs = Math.min(performance.now() - this.#stepAtMs, leftMs);
    const share = doneMs + leftMs === 0 ? 0 : (doneMs + sinceMs) / (doneMs + leftMs);
    const cells = Math.round(share * BAR_CELLS);
    const text = `${Math.floor(share * 100)} %, about ${writeWait(leftMs - sinceMs)} left`;
    const room = (this.#stream.columns || 80) - BAR_CELLS - text.length - 3;
    return `${cyan('█'.repeat(cells))}${dim('░'.repeat(BAR_CELLS - cells))} ${text}  ${label.slice(0, Math.max(0, room))}`;
  }
}
