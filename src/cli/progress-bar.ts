/** Progress on a terminal: one bar that moves, with lines above it. */
import { MultiBar, type Params, type SingleBar } from 'cli-progress';
import { formatBytes } from '../base/units.ts';
import { colorsFor, printable } from './output.ts';
import type { BatchSummary, FinishedFile, ProgressDisplay, Snapshot } from './progress.ts';
import { writeAmount, writeFinished, writePace, writePercent, writeSummary } from './progress-text.ts';

const BAR_CELLS = 20;

/** Left of a narrow terminal, so that the line never wraps. */
const MIN_LABEL_CHARS = 8;

type Terminal = NodeJS.WriteStream;

export class ProgressBar implements ProgressDisplay {
  readonly #stream: Terminal;
  readonly #bars: MultiBar;
  #bar: SingleBar | undefined;

  constructor(stream: Terminal) {
    this.#stream = stream;
    this.#bars = new MultiBar({
      stream,
      clearOnComplete: true,
      hideCursor: true,
      gracefulExit: false,
      fps: 10,
      format: (_options, _params: Params, payload: { snapshot: Snapshot }) => this.#line(payload.snapshot),
      forceRedraw: true,
    });
    // A second Ctrl-C ends the process where it is; the cursor must come back all the same.
    process.once('exit', this.#onExit);
  }

  show(snapshot: Snapshot): void {
    this.#bar ??= this.#bars.create(1, 0, { snapshot });
    this.#bar.update(0, { snapshot });
  }

  finished(file: FinishedFile): void {
    this.note(writeFinished(file));
  }

  note(text: string): void {
    if (this.#bar === undefined) this.#stream.write(`${printable(text)}\n`);
    else this.#bars.log(`${printable(text)}\n`);
  }

  summary(summary: BatchSummary): void {
    this.note(writeSummary(summary));
  }

  close(): void {
    process.off('exit', this.#onExit);
    if (this.#bar === undefined) return;
    // The lines above the bar are written when it is drawn.
    this.#bars.update();
    this.#bars.stop();
    this.#bar = undefined;
  }

  readonly #onExit = (): void => this.close();

  #line(snapshot: Snapshot): string {
    const { cyan, dim } = colorsFor(this.#stream);
    const share = snapshot.sizeBytes === undefined ? 0 : snapshot.movedBytes / (snapshot.sizeBytes || 1);
    const cells = Math.round(Math.min(1, share) * BAR_CELLS);
    const durableCells = durableCellsOf(snapshot, cells);
    const resumed =
      snapshot.resumedBytes > 0 ? [`${formatBytes(snapshot.resumedBytes)} were already there`] : [];
    const facts = [writePercent(snapshot), writeAmount(snapshot), ...writePace(snapshot), ...resumed];
    const text = facts.filter((fact) => fact !== undefined).join(', ');
    const room = (this.#stream.columns || 80) - BAR_CELLS - text.length - 4;
    const label = shortened(printable(snapshot.label), Math.max(MIN_LABEL_CHARS, room));
    const bar = [
      cyan('█'.repeat(durableCells)),
      cyan('▒'.repeat(cells - durableCells)),
      dim('░'.repeat(BAR_CELLS - cells)),
    ].join('');
    return `${label} ${bar} ${text}`;
  }
}

/** Of an upload, only what is durable is full; the rest of what was sent is not there for good yet. */
function durableCellsOf({ durableBytes, sizeBytes }: Snapshot, movedCells: number): number {
  if (durableBytes === undefined || sizeBytes === undefined) return movedCells;
  return Math.min(movedCells, Math.round((durableBytes / (sizeBytes || 1)) * BAR_CELLS));
}

/** The end of a name tells more than its beginning. */
function shortened(label: string, chars: number): string {
  return label.length <= chars ? label : `…${label.slice(label.length - chars + 1)}`;
}
