/** Which display a command gets: the only place that decides. */
import { isLive, printable, writeNote } from '../process/output.ts';
import type { ProgressDisplay } from './progress.ts';
import { ProgressBar } from './progress-bar.ts';
import { ProgressJson } from './progress-json.ts';
import { ProgressLines } from './progress-lines.ts';
import { writeFailed } from './progress-text.ts';

/** Errors only. */
const QUIET: ProgressDisplay = {
  show() {},
  finished() {},
  failed: (name, error) => writeNote(printable(writeFailed(name, error)), process.stderr),
  note() {},
  summary() {},
  close() {},
};

export interface DisplayOptions {
  json: boolean;
  quiet: boolean;
  /** The bytes of the file go to standard output, so nothing else may. */
  isStdoutTaken: boolean;
}

/** JSON goes to standard output where it is free; everything for people goes to standard error. */
export function createDisplay({ isStdoutTaken, json, quiet }: DisplayOptions): ProgressDisplay {
  if (json) return new ProgressJson(isStdoutTaken ? process.stderr : process.stdout);
  if (quiet) return QUIET;
  return isLive(process.stderr) ? new ProgressBar(process.stderr) : new ProgressLines(process.stderr);
}
