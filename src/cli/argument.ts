/** Values of flags that are sizes, durations or counts; commander turns the refusals into usage errors. */
import { InvalidArgumentError } from 'commander';
import { parseBytes, parseDurationMs } from '../base/units.ts';
import { writeBytes } from '../config/notation.ts';

/** For a flag that is a whole number of bytes from `least` to `most`. */
export function sizeArgument(least = 0, most?: number): (text: string) => number {
  return (text) => {
    const bytes = parseBytes(text);
    if (bytes !== undefined && bytes >= least && (most === undefined || bytes <= most)) return bytes;
    const bounds = most === undefined ? '' : ` from ${writeBytes(least)} to ${writeBytes(most)},`;
    throw new InvalidArgumentError(`Expected a size${bounds} such as 65536, 64KiB or 1.5GiB.`);
  };
}

/** A whole number of milliseconds, more than 0. The unit must be written: a bare number could be seconds. */
export function durationArgument(text: string): number {
  const durationMs = /[a-z]/i.test(text) ? parseDurationMs(text) : undefined;
  if (durationMs === undefined || durationMs === 0)
    throw new InvalidArgumentError('Expected a duration such as 500ms, 90s or 10m.');
  return durationMs;
}

/** For a flag that counts from 1 to `most`. */
export function countArgument(most: number): (text: string) => number {
  return (text) => {
    const count = /^\d+$/.test(text) ? Number(text) : 0;
    if (count < 1 || count > most)
      throw new InvalidArgumentError(`Expected a whole number from 1 to ${most}.`);
    return count;
  };
}

/** Of the flag that every command which connects or serves has. */
export const TRACE_HELP = 'log what gRPC does on the wire to standard error (GRPC_TRACE picks parts of it)';
