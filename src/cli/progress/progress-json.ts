/** Progress for programs: one JSON object a line, at most one a second beside the results. */
import type { Writable } from 'node:stream';
import type { TransferError } from '../../base/errors.ts';
import type { FinishedFile, RunSummary } from '../../client/tree/run/run.ts';
import { type ProgressDisplay, type Snapshot, Throttle } from './progress.ts';

/** Between two progress objects of one file. */
const INTERVAL_MS = 1_000;

export class ProgressJson implements ProgressDisplay {
  readonly #stream: Writable;
  readonly #throttle: Throttle;

  constructor(stream: Writable, now?: () => number) {
    this.#stream = stream;
    this.#throttle = new Throttle(INTERVAL_MS, 0, now);
  }

  show(snapshot: Snapshot): void {
    // Results wait for a slow reader; progress does not.
    if (this.#stream.writableNeedDrain || !this.#throttle.passes()) return;
    const { movedBytes, durableBytes, isSingle: _, ...rest } = snapshot;
    const moved =
      durableBytes === undefined ? { receivedBytes: movedBytes } : { sentBytes: movedBytes, durableBytes };
    this.#write({ event: 'progress', ...rest, ...moved });
  }

  finished({ name, path, result }: FinishedFile): void {
    this.#write({ event: 'done', name, path, ...result });
  }

  failed(name: string, { code, message }: TransferError): void {
    this.#write({ event: 'failed', name, code, message });
  }

  note(text: string): void {
    this.#write({ event: 'note', text });
  }

  summary(summary: RunSummary): void {
    this.#write({ event: 'summary', ...summary });
  }

  close(): void {}

  #write(value: object): void {
    this.#stream.write(`${JSON.stringify(value)}\n`);
  }
}
