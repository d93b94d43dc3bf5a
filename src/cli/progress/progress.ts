/**
 * Snapshots for a progress display, and the totals over all files of a command.
 */
import type { DownloadResult, Progress, TransferPhase } from '../../client/download/options.ts';
import type { LeftOut } from '../../client/tree/plan/left-out.ts';
import type { UploadPhase, UploadProgress, UploadResult } from '../../client/upload/options.ts';
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

/** What became of a batch. */
export interface BatchSummary {
  /** Files that moved, and their bytes. */
  files: number;
  bytes: number;
  durationMs: number;
  /** Files that were there already. */
  skippedFiles: number;
  failedFiles: number;
  /** Files that were found and not tried, or not to the end: interrupted, or others failed for a reason that concerns all. */
  notDoneFiles: number;
  /** Everything was found that there is; otherwise there may be more that was not tried. */
  isPlanComplete: boolean;
  leftOut: LeftOut;
}

export interface FinishedFile {
  /** On the server. */
  name: string;
  /** The local file; `-` is standard input or output. */
  path: string;
  direction: 'down' | 'up';
  result: DownloadResult | UploadResult;
}

/** One way to show progress. `close` restores the terminal and is safe to call twice. */
export interface ProgressDisplay {
  /** About ten times a second for each file; the display decides how often it shows one. */
  show(snapshot: Snapshot): void;
  finished(file: FinishedFile): void;
  /** Something worth a line now: a retry, a skipped file. */
  note(text: string): void;
  /** The last line of a batch. */
  summary(summary: BatchSummary): void;
  close(): void;
}

/** Adds up the files of one command. */
export class ProgressSum {
  readonly #isPlanComplete: () => boolean;
  readonly #meter = new RateMeter();
  readonly #active = new Map<object, Progress | UploadProgress>();
  #plannedFiles = 0;
  /** Undefined as soon as one file is to tell its size itself. */
  #plannedBytes: number | undefined = 0;
  #doneFiles = 0;
  #doneBytes = 0;
  #doneResumedBytes = 0;

  /** `isPlanComplete`: no more files will be planned. */
  constructor(isPlanComplete: () => boolean) {
    this.#isPlanComplete = isPlanComplete;
  }

  /** There is one more file to move. */
  planned(bytes: number | undefined): void {
    this.#plannedFiles += 1;
    if (bytes === undefined || this.#plannedBytes === undefined) this.#plannedBytes = undefined;
    else this.#plannedBytes += bytes;
  }

  /** `file` is any object that stands for one transfer. */
  update(file: object, progress: Progress | UploadProgress, nowMs: number): Snapshot {
    this.#active.set(file, progress);
    return this.#snapshot(progress, nowMs);
  }

  /** The transfer ended well; its bytes count as done. */
  done(file: object, bytes: number, resumedBytes: number): void {
    this.#active.delete(file);
    this.#doneFiles += 1;
    this.#doneBytes += bytes;
    this.#doneResumedBytes += resumedBytes;
  }

  /** The transfer failed; its bytes do not count. */
  dropped(file: object): void {
    this.#active.delete(file);
  }

  #snapshot(latest: Progress | UploadProgress, nowMs: number): Snapshot {
    let movedBytes = this.#doneBytes;
    let durableBytes = this.#doneBytes;
    let resumedBytes = this.#doneResumedBytes;
    for (const progress of this.#active.values()) {
      movedBytes += movedBytesOf(progress);
      durableBytes += 'durableBytes' in progress ? progress.durableBytes : 0;
      resumedBytes += progress.resumedBytes;
    }
    const isComplete = this.#isPlanComplete();
    const isSingle = isComplete && this.#plannedFiles === 1;
    const sizeBytes = isSingle ? latest.sizeBytes : isComplete ? this.#plannedBytes : undefined;
    const found = `${this.#plannedFiles}${isComplete ? '' : '+'}`;
    this.#meter.add(movedBytes - resumedBytes, nowMs);
    const rateBytesPerSec = this.#meter.bytesPerSec;
    return {
      label: isSingle ? latest.name : `${this.#doneFiles} of ${found} files`,
      fileCount: this.#plannedFiles,
      isSingle,
      phase: latest.phase,
      sizeBytes,
      movedBytes,
      ...('durableBytes' in latest ? { durableBytes } : {}),
      resumedBytes,
      rateBytesPerSec,
      etaMs: etaMs(sizeBytes, movedBytes, rateBytesPerSec),
    };
  }
}

function movedBytesOf(progress: Progress | UploadProgress): number {
  return 'sentBytes' in progress ? progress.sentBytes : progress.receivedBytes;
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
