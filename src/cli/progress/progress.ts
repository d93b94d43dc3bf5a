/** What a progress display shows. */
import type { TransferError } from '../../base/errors.ts';
import type { Progress, TransferPhase } from '../../client/download/options.ts';
import type { FinishedFile, RunSummary } from '../../client/tree/run/run.ts';
import type { TreeProgress } from '../../client/tree/run/totals.ts';
import type { UploadPhase, UploadProgress } from '../../client/upload/options.ts';
import { RateMeter } from './rate-meter.ts';

/** All files of the command together, at one moment. */
export interface Snapshot {
  /** The file's name when there is one file, `3 of 10 files` when there are more, `3 of 10+ files` while more are found. */
  label: string;
  /** Files that are planned so far. */
  fileCount: number;
  /** There is one file, and no more. */
  isSingle: boolean;
  phase: TransferPhase | UploadPhase;
  /** Undefined until it is known. */
  sizeBytes: number | undefined;
  /** Received, or sent; resumed bytes included. */
  movedBytes: number;
  /** Uploads: what of it the server has made durable. */
  durableBytes?: number;
  resumedBytes: number;
  /** Of the last seconds, without resumed bytes; undefined until there is enough to tell. */
  rateBytesPerSec: number | undefined;
  etaMs: number | undefined;
}

/** One way to show progress. `close` restores the terminal and is safe to call twice. */
export interface ProgressDisplay {
  /** About ten times a second for each file; the display decides how often it shows one. */
  show(snapshot: Snapshot): void;
  finished(file: FinishedFile): void;
  /** One file of several; the others go on. */
  failed(name: string, error: TransferError): void;
  /** Something worth a line now: a retry, a skipped file. */
  note(text: string): void;
  /** The last line of a batch. */
  summary(summary: RunSummary): void;
  close(): void;
}

/** The snapshots of one command, in their order. */
export class Snapshots {
  readonly #meter = new RateMeter();

  /** `latest` is the file that has come further. */
  of(latest: Progress | UploadProgress, totals: TreeProgress, nowMs: number): Snapshot {
    const { doneFiles, durableBytes, foundFiles, isPlanComplete, movedBytes, resumedBytes } = totals;
    const isSingle = isPlanComplete && foundFiles === 1;
    const sizeBytes = isSingle ? latest.sizeBytes : totals.sizeBytes;
    this.#meter.add(movedBytes - resumedBytes, nowMs);
    const rateBytesPerSec = this.#meter.bytesPerSec;
    return {
      label: isSingle ? latest.name : `${doneFiles} of ${foundFiles}${isPlanComplete ? '' : '+'} files`,
      fileCount: foundFiles,
      isSingle,
      phase: latest.phase,
      sizeBytes,
      movedBytes,
      ...(durableBytes === undefined ? {} : { durableBytes }),
      resumedBytes,
      rateBytesPerSec,
      etaMs: etaMs(sizeBytes, movedBytes, rateBytesPerSec),
    };
  }
}

function etaMs(
  sizeBytes: number | undefined,
  movedBytes: number,
  rateBytesPerSec: number | undefined,
): number | undefined {
  if (sizeBytes === undefined || rateBytesPerSec === undefined || rateBytesPerSec <= 0) return undefined;
  return (Math.max(0, sizeBytes - movedBytes) / rateBytesPerSec) * 1000;
}

/** Lets something through at most once in `intervalMs`. */
export class Throttle {
  readonly #intervalMs: number;
  readonly #now: () => number;
  #nextMs: number;

  /** The first one passes after `firstAfterMs`. */
  constructor(intervalMs: number, firstAfterMs: number, now: () => number = () => performance.now()) {
    this.#intervalMs = intervalMs;
    this.#now = now;
    this.#nextMs = now() + firstAfterMs;
  }

  passes(): boolean {
    const nowMs = this.#now();
    if (nowMs < this.#nextMs) return false;
    this.#nextMs = nowMs + this.#intervalMs;
    return true;
  }
}
