/** Progress where nothing can move: plain lines, at most one every ten seconds. */
import type { Writable } from 'node:stream';
import type { TransferError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import type { FinishedFile, RunSummary } from '../../client/tree/run/run.ts';
import { printable, writeNote } from '../process/output.ts';
import { type ProgressDisplay, type Snapshot, Throttle } from './progress.ts';
import {
  writeAmount,
  writeFailed,
  writeFinished,
  writePace,
  writePercent,
  writeSummary,
} from './progress-text.ts';

/** Between two lines in a log file, where nobody watches a bar. */
const INTERVAL_MS = 10_000;

export class ProgressLines implements ProgressDisplay {
  readonly #stream: Writable;
  readonly #throttle: Throttle;
  #hasStarted = false;

  constructor(stream: Writable, now?: () => number) {
    this.#stream = stream;
    this.#throttle = new Throttle(INTERVAL_MS, INTERVAL_MS, now);
  }

  show(snapshot: Snapshot): void {
    this.#showStart(snapshot);
    if (!this.#throttle.passes()) return;
    const facts = [writePercent(snapshot), writeAmount(snapshot), ...writePace(snapshot)];
    this.note(`${snapshot.label}: ${facts.filter((fact) => fact !== undefined).join(', ')}`);
  }

  finished(file: FinishedFile): void {
    this.note(writeFinished(file));
  }

  failed(name: string, error: TransferError): void {
    this.note(writeFailed(name, error));
  }

  note(text: string): void {
    writeNote(printable(text), this.#stream);
  }

  summary(summary: RunSummary): void {
    this.note(writeSummary(summary));
  }

  close(): void {}

  /** Once, as soon as a single file's size is known. */
  #showStart({ isSingle, label, resumedBytes, sizeBytes }: Snapshot): void {
    if (this.#hasStarted || !isSingle || sizeBytes === undefined) return;
    this.#hasStarted = true;
    const size = formatBytes(sizeBytes);
    this.note(
      resumedBytes > 0
        ? `${label}: resuming at ${formatBytes(resumedBytes)} of ${size}`
        : `${label}: ${size}`,
    );
  }
}
