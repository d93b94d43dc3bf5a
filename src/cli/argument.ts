/** Values of flags that are sizes or counts; commander turns the refusals into usage errors. */
import { InvalidArgumentError } from 'commander';
import { parseBytes } from '../base/units.ts';

/** A whole number of bytes, 0 or more. */
export function bytesArgument(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined) throw new InvalidArgumentError('Expected a size such as 65536, 64KiB or 1.5GiB.');
  return bytes;
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
