/** Which files of a tree go in packs, and what became of each. */
import type { TransferError } from '../../base/errors.ts';
import { KIB } from '../../base/units.ts';
import type { CodecBytes } from '../codec-account.ts';

/** Above this size a call of its own costs little beside the bytes. */
export const SMALL_FILE_BYTES = 64 * KIB;

/** One side of a small file: as a listing has it, or as it is here. */
export interface SmallFile {
  /** On the server. */
  readonly name: string;
  /** Here. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly modifiedMs?: number | undefined;
  readonly mode?: number | undefined;
}

/** The version that was moved, and how. `single`: a transfer of its own moves the file, or says what is wrong. */
export type PackOutcome = PackedFile | 'single' | TransferError;

export interface PackedFile {
  readonly version: string;
  /** Its share of the pack. */
  readonly codecs: CodecBytes;
}
