/**
 * The messages between the main thread and the workers, in both directions.
 *
 * Messages never hold the bytes: these are in the slab that a job names.
 * `control` holds, for each slab, two 32-bit words:
 *
 *   2 × slab      the id of the thread that is working in the slab, 0 for none
 *   2 × slab + 1  0 to go on; JOB_CANCELLED or JOB_CRASH, seen between chunks
 */

import type { Coding } from '../../base/coding.ts';
import type { EntryStats, FailedCall } from '../../base/files/entry-stats.ts';
import type { PackSlice } from '../../storage/byte-source.ts';
import type { FileToName, FoundEntry, MadeFile, Naming, NewFile } from '../../storage/pack-jobs.ts';

export type {
  FileToName,
  FoundEntry,
  MadeFile,
  Naming,
  NewFile,
} from '../../storage/pack-jobs.ts';

export type { PackSlice };

/** The result is not wanted any more. A drain job checks before each write. */
export const JOB_CANCELLED = 1;

/** The thread ends at once, as in a crash; for tests. */
export const JOB_CRASH = 2;

/** `workerData` of every pool thread. */
export interface WorkerSetup {
  /** The slabs, `strideBytes` apart. */
  memory: SharedArrayBuffer;
  control: SharedArrayBuffer;
  strideBytes: number;
  /** How far the thread lowers its own priority; 0 leaves it alone. */
  niceness: number;
}

/** Fill one slab with ready-to-send messages. */
export interface FillJob {
  kind: 'fill';
  slab: number;
  /**
   * Descriptor of a regular file, kept open by the poster until the job has ended. null without a pack: the
   * bytes are in the slab already, behind the header room.
   */
  fd: number | null;
  /** The files to gather, when the bytes are those of a pack. */
  pack: PackSlice | null;
  /** Where in the file, or the pack, the first chunk starts. */
  offset: number;
  /** Bytes of the file to cover; they and their headers fit the slab. */
  rawBytes: number;
  /** Bytes of each chunk but the last. */
  chunkBytes: number;
  /** Of the ExchangeResponse around each message; 0 or absent for messages by themselves. */
  exchangeId?: number;
  /** Send `offset` and `raw_size` with each chunk. */
  details: boolean;
  /** Compute CRC-32 and send it with each chunk. */
  checksums: boolean;
  /** For chunks that get smaller by it. */
  coding: Coding;
  /** Compress a small sample first and leave the job uncompressed when that gains nothing. */
  probe: boolean;
}

/** The slab's first `runBytes` bytes are whole messages, ready to be sent. */
export interface FilledRun {
  kind: 'filled';
  runBytes: number;
  rawBytes: number;
  /** CRC-32 of the job's raw bytes; 0 unless asked for. */
  crc32: number;
  /** True when compressing was tried and the run is hardly smaller for it. */
  incompressible: boolean;
  /** What the job took in the worker, in milliseconds. */
  workMs: number;
  /** Of these, what its reads took. */
  readMs: number;
  /** Of a pack: files, by index, that this run tells are not as asked. */
  refused?: number[];
  /** Of a pack: the file that is not as asked and began before this run. */
  lost?: number;
}

export type FillResult =
  | FilledRun
  /** The file ended before `rawBytes` were read. */
  | { kind: 'short' }
  | { kind: 'cancelled' }
  | { kind: 'failed'; errno: string; message: string };

/** Check the chunks in one slab and write them to a file. */
export interface DrainJob {
  kind: 'drain';
  slab: number;
  /**
   * Descriptor of a regular file, kept open by the poster until the job has ended. null: the bytes are left in
   * the slab as they are to be written, each chunk's where it begins; `rawBytes` fit there then.
   */
  fd: number | null;
  /** In the order in which they stand in the slab. */
  chunks: readonly DrainChunk[];
}

/** Bytes of a peer in a slab. */
export interface SlabChunk {
  /** Where they begin, in bytes from the start of the slab. */
  at: number;
  /** Bytes as received. */
  wireBytes: number;
  /** Bytes before compression. */
  rawBytes: number;
  /** What `rawBytes` were compressed with, to one member, stream or frame. */
  codec: Coding['codec'];
  /** CRC-32 before compression, to be checked; -1 when the sender gave none. */
  crc32: number;
}

/** A chunk of a file. */
export interface DrainChunk extends SlabChunk {
  /** Where in the file the raw chunk begins. */
  offset: number;
  /** The ranges to write: half-open ranges of the file, ascending. The whole chunk is verified. */
  ranges: readonly { start: number; end: number }[];
}

export interface Drained {
  kind: 'drained';
  /** What was written, or left in the slab to be, in the order of the chunks, joined where it is contiguous. */
  written: WrittenBytes[];
  /** The chunk that could not be written, and why; chunks before it were. */
  fault: DrainFault | null;
  /** What the job took in the worker, in milliseconds. */
  workMs: number;
  /** Of these, what its writes took. */
  writeMs: number;
}

/** The half-open range `[start, end)` of the file. */
export interface WrittenBytes {
  start: number;
  end: number;
  crc32: number;
  /** Where they are, in bytes from the start of the slab, if they were left there. */
  at?: number;
}

export type DrainFault =
  | { kind: 'cancelled' }
  /** The bytes are not those that were sent. */
  | { kind: 'corrupt'; offset: number; message: string }
  | { kind: 'failed'; errno: string; message: string };

/** Look at the paths that a pack is to be written to. */
export interface LookJob {
  kind: 'look';
  slab: number;
  paths: readonly string[];
}

/** Check the content of a pack, which is in the slab, and write its files. */
export interface WriteJob {
  kind: 'write';
  slab: number;
  content: SlabChunk;
  files: readonly NewFile[];
  /** A thread died in it before, anywhere. */
  isRepeated: boolean;
}

/** Give files of a pack their names. */
export interface NameJob {
  kind: 'name';
  slab: number;
  files: readonly FileToName[];
}

export type PackJob = LookJob | WriteJob | NameJob;

export type PackAnswer =
  /** One result for each path or file, in order. */
  | { kind: 'done'; results: readonly (FoundEntry | MadeFile | Naming | FailedCall | null)[] }
  /** The content is not what was sent; nothing was written. */
  | { kind: 'corrupt'; message: string };

/** Look at entries of directories, for a listing. It has no slab. */
export interface ListJob {
  kind: 'list';
  paths: readonly string[];
}

/** One result for each of the first paths. */
export interface ListAnswer {
  kind: 'listed';
  entries: readonly (EntryStats | FailedCall)[];
}

export type PoolTask = FillJob | DrainJob | PackJob | ListJob | 'ping';
export type PoolAnswer = FillResult | Drained | PackAnswer | ListAnswer | 'pong';

/** `workerData` of the hash pool's thread. */
export interface HashSetup {
  niceness: number;
  /** One 32-bit word: not 0 ends the job that runs. */
  stop: SharedArrayBuffer;
}

export interface HashJob {
  /** Descriptor of a regular file, kept open by the poster until the job has ended. */
  fd: number;
  /** Bytes to hash, from the start of the file. */
  size: number;
}

export type HashResult = { kind: 'hashed'; sha256: Uint8Array } | { kind: 'failed'; errno: string };

export const CONTROL_WORDS_PER_SLAB = 2;

/** Index of the word that names the thread working in `slab`. */
export function threadWord(slab: number): number {
  return slab * CONTROL_WORDS_PER_SLAB;
}

/** Index of the word that asks the job in `slab` to stop. */
export function cancelWord(slab: number): number {
  return slab * CONTROL_WORDS_PER_SLAB + 1;
}
