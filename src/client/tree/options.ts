/** Options, progress and result of a call that moves a tree. */
import type { TransferError } from '../../base/errors.ts';
import { inRange } from '../options.ts';
import type { LeftOutKind } from './plan/left-out.ts';
import type { TreeProgress } from './run/totals.ts';

/** More files at a time gain nothing: the link is full, and each file holds a descriptor and a queue. */
export const MAX_PARALLEL = 64;

/** Several files at a time hide the round trips; large files lose nothing. */
export const DEFAULT_PARALLEL = 4;

export interface TreeOptions {
  /** Replace existing files. Default true; with false each of them fails with ALREADY_EXISTS, unless it is skipped. */
  overwrite?: boolean | undefined;
  /** Move also files that are there with the same size and are not older. Default false: they are skipped. */
  ignoreTimes?: boolean | undefined;
  /** How many files to move at a time, beside the packs of small files. 1 to 64; default 4. */
  parallel?: number | undefined;
  /** Aborting rejects with CANCELLED, a timeout (`AbortSignal.timeout`) with DEADLINE_EXCEEDED; what has moved stays. */
  signal?: AbortSignal | undefined;
  /** Called about ten times a second, and at the end. What it throws ends the call. */
  onProgress?: ((progress: TreeProgress) => void) | undefined;
  /** Called for each file that has moved. What it throws ends the call. */
  onFile?: ((file: TreeFile) => void) | undefined;
  /** Called for each file that could not be moved, while the others go on. What it throws ends the call. */
  onFailure?: ((failure: TreeFailure) => void) | undefined;
}

/** A file that has moved. */
export interface TreeFile {
  /** On the server. */
  readonly name: string;
  /** Here. */
  readonly path: string;
  readonly bytes: number;
  /** The version that it has on the server; empty when the server does not tell versions. */
  readonly version: string;
}

/** A file or directory that could not be moved. */
export interface TreeFailure {
  /** On the server; of what cannot be read here, its path. */
  readonly name: string;
  readonly error: TransferError;
}

export interface TreeResult {
  /** Files that moved, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Files that were there already, with the same size and not older. */
  readonly skippedFiles: number;
  /** Files and directories that could not be moved. */
  readonly failedFiles: number;
  /** The first 100 of them. */
  readonly failures: readonly TreeFailure[];
  /** What the tree has and cannot be moved, such as symbolic links, by reason; empty where there is nothing. */
  readonly leftOut: readonly LeftOutKind[];
  /** Wall time of the call. */
  readonly durationMs: number;
}

/** Throws INVALID_ARGUMENT. */
export function parallelOf({ parallel = DEFAULT_PARALLEL }: TreeOptions): number {
  return inRange('parallel', parallel, 1, MAX_PARALLEL);
}
