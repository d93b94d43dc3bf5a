/** What a run of a plan is told, and what it tells. */
import type { TransferError } from '../../../base/errors.ts';
import type { DownloadResult, Progress } from '../../download/options.ts';
import type { UploadProgress, UploadResult } from '../../upload/options.ts';
import type { LeftOut } from '../plan/left-out.ts';
import type { TreeProgress } from './totals.ts';

export type Direction = 'down' | 'up';

export interface FinishedFile {
  /** On the server. */
  readonly name: string;
  /** The local file; `-` is standard input or output. */
  readonly path: string;
  readonly direction: Direction;
  /** It came in a pack with others. */
  readonly isPacked: boolean;
  readonly result: DownloadResult | UploadResult;
}

/** Whoever watches a run. Must not throw. */
export interface RunObserver {
  /** One file has come further, about ten times a second for each or once for a pack, and all files together with it. */
  progress(latest: Progress | UploadProgress, totals: TreeProgress): void;
  finished(file: FinishedFile): void;
  /** One file failed, and the others go on. */
  failed(name: string, error: TransferError): void;
}

/** What became of the files of a plan. */
export interface RunSummary {
  /** Files that moved, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Files that were there already. */
  readonly skippedFiles: number;
  readonly failedFiles: number;
  /** Files that were found and not tried, or not to the end: interrupted, or others failed for a reason that concerns all. */
  readonly notDoneFiles: number;
  /** Everything was found that there is; otherwise there may be more that was not tried. */
  readonly isPlanComplete: boolean;
  readonly leftOut: LeftOut;
}

export interface RunFailure {
  /** Undefined where the plan itself could not be made. */
  readonly name: string | undefined;
  readonly error: TransferError;
}

export interface RunOutcome {
  readonly summary: RunSummary;
  readonly totals: TreeProgress;
  readonly firstFailure: RunFailure | undefined;
  /** The failure that concerned all files, so that the rest was not tried. */
  readonly stoppedBy: TransferError | undefined;
}
