/**
 * The exit code of each error: the only place that maps them. Scripts rely on
 * these numbers, so a number keeps its meaning for ever.
 */
import type { ErrorCode } from '../../base/errors.ts';

/** Every exit code, with what a script can conclude from it. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: 'done, and every byte verified' },
  failed: { code: 1, meaning: 'any other failure' },
  usage: { code: 2, meaning: 'wrong usage or configuration; nothing was done' },
  notFound: { code: 3, meaning: 'there is no such file' },
  refused: {
    code: 4,
    meaning:
      'refused: no permission, a bad name or range, not the version asked for, a file that may not be replaced',
  },
  unavailable: {
    code: 5,
    meaning: 'the server cannot be reached or is busy, even after retries; rerun the command later to resume',
  },
  badData: { code: 6, meaning: 'bytes are wrong, cannot be read, or changed during the transfer' },
  localIo: { code: 7, meaning: 'a local file cannot be read or written' },
  incomplete: {
    code: 8,
    meaning: 'incomplete: some files were left out of a tree, or left in a directory; they are listed',
  },
  interrupted: { code: 130, meaning: 'interrupted by Ctrl-C; rerun the command to resume' },
} as const;

type Outcome = keyof typeof EXIT_CODES;

/** What each error code means for the exit. */
const OUTCOME_OF_ERROR: Readonly<Record<ErrorCode, Outcome>> = {
  INVALID_ARGUMENT: 'refused',
  INVALID_NAME: 'refused',
  NOT_FOUND: 'notFound',
  NOT_A_FILE: 'refused',
  NOT_EMPTY: 'incomplete',
  ALREADY_EXISTS: 'refused',
  UPLOAD_NOT_FOUND: 'failed',
  OUT_OF_RANGE: 'refused',
  GAP: 'failed',
  VERSION_MISMATCH: 'refused',
  FILE_CHANGED: 'badData',
  STALLED: 'unavailable',
  EVICTED: 'unavailable',
  ABORTED: 'unavailable',
  TAKEN_OVER: 'failed',
  CONTENT_MISMATCH: 'badData',
  RESOURCE_EXHAUSTED: 'unavailable',
  QUOTA_EXCEEDED: 'refused',
  DISK_FULL: 'unavailable',
  TOO_LARGE: 'refused',
  READ_ONLY: 'refused',
  WRITE_FAILED: 'unavailable',
  PERMISSION_DENIED: 'refused',
  UNAUTHENTICATED: 'refused',
  UNAVAILABLE: 'unavailable',
  CANCELLED: 'interrupted',
  CANCELLED_BY_OPERATOR: 'refused',
  DEADLINE_EXCEEDED: 'unavailable',
  DATA_LOSS: 'badData',
  CHECKSUM_MISMATCH: 'badData',
  PROTOCOL_ERROR: 'failed',
  LOCAL_IO: 'localIo',
  INCOMPLETE: 'incomplete',
  INVALID_CONFIG: 'usage',
  UNIMPLEMENTED: 'failed',
  INTERNAL: 'failed',
};

/** The process's exit code for an error with this code. */
export function exitCodeOf(code: ErrorCode): number {
  return EXIT_CODES[OUTCOME_OF_ERROR[code]].code;
}
