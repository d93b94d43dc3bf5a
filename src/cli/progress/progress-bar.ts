/** Progress on a terminal: one bar that moves, with lines above it. */
import { MultiBar, type Params, type SingleBar } from 'cli-progress';
import type { TransferError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import type { FinishedFile, RunSummary } from '../../client/tree/run/run.ts';
import { colorsFor, printable } from '../process/output.ts';
import { shortened } from '../process/text-width.ts';
import type { ProgressDisplay, Snapshot } from './progress.ts';
import {
  writeAmount,
  writeFailed,
  writeFinished,
  writePace,
  writePercent,
  writeSummary,
} from './progress-text.ts';

/** The label is shortened to this before columns are left out. */
const MIN_LABEL_COLUMNS = 8;

/** cli-progress disables wrapping while there is a bar; lines above it must wrap. */
const WRAP_ON = '\u001b[?7h';
const WRAP_OFF = '\u001b[?7l';

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
    // A second Ctrl-C ends the process at once; the cursor must come back.
    process.once('exit', this.#onExit);
  }

  show(snapshot: Snapshot): void {
    this.#bar ??= this.#bars.create(1, 0, { snapshot });
    this.#bar.update(0, { snapshot });
  }

  finished(file: FinishedFile): void {
    this.note(writeFinished(file));
  }

  failed(name: string, error: TransferError): void {
    this.note(writeFailed(name, error));
  }

  note(text: string): void {
    if (this.#bar === undefined) this.#stream.write(`${printable(text)}\n`);
    else this.#bars.log(`${WRAP_ON}${printable(text)}${WRAP_OFF}\n`);
  }

  summary(summary: RunSummary): void {
    this.note(writeSummary(summary));
  }

  close(): void {
    process.off('exit', this.#onExit);
    if (this.#bar === undefined) return;
    // The lines above the bar are written when the bar is drawn.
    this.#bars.update();
    this.#bars.stop();
    this.#bar = undefined;
  }

  readonly #onExit = (): void => this.close();

  #line(snapshot: Snapshot): string {
    const columns = (this.#stream.columns || 80) - 1;
    const { cells, text } = layoutFor(snapshot, columns);
    const room = columns - (cells > 0 ? cells + 1 : 0) - text.length - 1;
    const label = shortened(printable(snapshot.label), Math.max(1, room));
    return [label, ...(cells > 0 ? [this.#cells(snapshot, cells)] : []), text].join(' ');
  }

  #cells(snapshot: Snapshot, cells: number): string {
    const { cyan, dim } = colorsFor(this.#stream);
    const share = snapshot.sizeBytes === undefined ? 0 : snapshot.movedBytes / (snapshot.sizeBytes || 1);
    const moved = Math.round(Math.min(1, share) * cells);
    const durable = durableCellsOf(snapshot, moved, cells);
    return cyan('█'.repeat(durable)) + cyan('▒'.repeat(moved - durable)) + dim('░'.repeat(cells - moved));
  }
}

interface Layout {
  /** Of the bar; 0 for none. */
  cells: number;
  text: string;
}

/** The richest layout that leaves `MIN_LABEL_COLUMNS`. */
function layoutFor(snapshot: Snapshot, columns: number): Layout {
  const { resumedBytes } = snapshot;
  const percent = writePercent(snapshot);
  const amount = writeAmount(snapshot);
  const pace = writePace(snapshot);
  const resumed = resumedBytes > 0 ? [`${formatBytes(resumedBytes)} resumed`] : [];
  const least = percent ?? formatBytes(snapshot.movedBytes);
  const known = percent === undefined ? [amount] : [percent, amount];
  const layouts = [
    { cells: 20, facts: [...known, ...pace, ...resumed] },
    { cells: 20, facts: [...known, ...pace] },
    { cells: 20, facts: [least, ...pace] },
    { cells: 10, facts: [least, ...pace] },
    { cells: 10, facts: [least] },
    { cells: 0, facts: [least] },
  ].map(({ cells, facts }) => ({ cells, text: facts.join(', ') }));
  const fitting = layouts.find(
    ({ cells, text }) => MIN_LABEL_COLUMNS + (cells > 0 ? cells + 1 : 0) + 1 + text.length <= columns,
  );
  return fitting ?? { cells: 0, text: least };
}

/** Full cells of an upload are durable; bytes sent beyond them may still be lost. */
function durableCellsOf({ durableBytes, sizeBytes }: Snapshot, movedCells: number, cells: number): number {
  if (durableBytes === undefined || sizeBytes === undefined) return movedCells;
  return Math.min(movedCells, Math.round((durableBytes / (sizeBytes || 1)) * cells));
}
