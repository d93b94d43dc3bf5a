/**
 * How a command that failed says so: one message on standard error, a hint
 * where one helps, and the exit code. `--json` makes it one line of JSON.
 */
import { TransferError } from '../../base/errors.ts';
import { exitCodeOf } from './exit-code.ts';
import { hintFor } from './hint.ts';
import { colorsFor, printableLines } from './output.ts';

export interface FailureOptions {
  json: boolean;
  /** Also the stack and the causes. */
  verbose: boolean;
}

/** Prints the failure and returns the exit code. */
export function reportFailure(reason: unknown, options: FailureOptions): number {
  const error = TransferError.from(reason);
  const exitCode = exitCodeOf(error.code);
  if (options.json) {
    const { code, message, version, requestId } = error;
    const line = { event: 'error', code, message, version, requestId, exitCode };
    process.stderr.write(`${JSON.stringify(line)}\n`);
    return exitCode;
  }
  const { red, dim } = colorsFor(process.stderr);
  process.stderr.write(`${red('error:')} ${printableLines(error.message)}\n`);
  const hint = hintFor(error);
  if (hint !== undefined) process.stderr.write(`${dim('hint:')} ${hint}\n`);
  if (options.verbose) process.stderr.write(`${dim(detailsOf(error))}\n`);
  return exitCode;
}

function detailsOf(error: TransferError): string {
  const lines = [`code ${error.code}`];
  if (error.requestId !== undefined) lines.push(`request ${error.requestId}`);
  for (let at: unknown = error; at instanceof Error; at = at.cause) lines.push(at.stack ?? at.message);
  return lines.join('\n');
}
