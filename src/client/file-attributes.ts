/** What a new file or directory is to get besides its content, as callers say it. */
import { inRange } from './options.ts';

/** As the contract has it: what is not said is left out. */
export interface FileAttributes {
  readonly modifiedMs?: number;
  readonly mode?: number;
}

/** What callers may give. */
interface GivenAttributes {
  readonly modifiedMs?: number | undefined;
  readonly mode?: number | undefined;
}

/** The furthest that a Date goes, either way. */
const MAX_TIME_MS = 8.64e15;

/** `stat` gives the type of a file in front of its permission bits, and fractions of a millisecond. */
const MAX_MODE = 0xffff_ffff;

/** Throws INVALID_ARGUMENT, naming the option. */
export function attributesOf({ mode, modifiedMs }: GivenAttributes): FileAttributes {
  return {
    ...(modifiedMs === undefined
      ? {}
      : { modifiedMs: inRange('modifiedMs', Math.floor(modifiedMs), -MAX_TIME_MS, MAX_TIME_MS) }),
    ...(mode === undefined ? {} : { mode: inRange('mode', mode, 0, MAX_MODE) & 0o7777 }),
  };
}
