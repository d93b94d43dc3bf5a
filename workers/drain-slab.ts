/**
 * Job of a pool thread: verifies the chunks in one slab and writes them to a file,
 * or leaves them in the slab, decompressed.
 *
 * Synchronous like `fill-slab`; errors are values. A chunk is written only after
 * all of it was verified; chunks before a wrong one are written and reported.
 * Neighbours in slab and file are written with one call.
 */
import { writeSync } from 'node:fs';
import { errnoOf } from '../src/base/errors.ts';
import type {
  DrainChunk,
  Drained,
  DrainFault,
  DrainJob,
  SlabChunk,
  WrittenBytes,
} from '../src/engine/jobs/job.ts';
import { decodeChunkSync } from '../src/wire/chunk-decoder.ts';
import { combineCrc32, crc32 } from '../src/wire/crc32.ts';
import { trailerOf } from '../src/wire/gzip-member.ts';
import { enterSlab, isCancelled, leaveSlab, memory, slabStart } from './slab-memory.ts';

/** What the writes of the job that runs have taken. */
let writeMs = 0;

/** Verified bytes to be written. */
interface Piece extends WrittenBytes {
  bytes: Uint8Array;
}

export function drainSlab(job: DrainJob): Drained {
  enterSlab(job.slab);
  const startMs = performance.now();
  writeMs = 0;
  const written: WrittenBytes[] = [];
  let fault: DrainFault | null;
  try {
    fault = drain(job, written);
  } catch (error) {
    fault = { kind: 'failed', errno: errnoOf(error) ?? 'UNKNOWN', message: String(error) };
  } finally {
    leaveSlab(job.slab);
  }
  return { kind: 'drained', written, fault, workMs: performance.now() - startMs, writeMs };
}

function drain(job: DrainJob, written: WrittenBytes[]): DrainFault | null {
  const { fd } = job;
  return fd === null ? leaveInSlab(job, written) : writeTo(fd, job, written);
}

function writeTo(fd: number, job: DrainJob, written: WrittenBytes[]): DrainFault | null {
  let pending: Piece | null = null;
  let fault: DrainFault | null = null;
  for (const chunk of job.chunks) {
    if (isCancelled(job.slab)) return { kind: 'cancelled' };
    const pieces = checkedPieces(job, chunk);
    if (typeof pieces === 'string') {
      fault = { kind: 'corrupt', offset: chunk.offset, message: pieces };
      break;
    }
    for (const piece of pieces) {
      const joined: Piece | null = pending && join(pending, piece);
      if (pending !== null && joined === null) write(fd, pending, written);
      pending = joined ?? piece;
    }
  }
  if (isCancelled(job.slab)) return { kind: 'cancelled' };
  if (pending !== null) write(fd, pending, written);
  return fault;
}

/**
 * The slab changes only after everything that may fail: a fault leaves it intact.
 * Chunks stand at least as far apart as they are long, so none overwrites another.
 */
function leaveInSlab(job: DrainJob, written: WrittenBytes[]): DrainFault | null {
  const checked: (Piece & { at: number })[] = [];
  let fault: DrainFault | null = null;
  for (const chunk of job.chunks) {
    if (isCancelled(job.slab)) return { kind: 'cancelled' };
    const pieces = checkedPieces(job, chunk);
    if (typeof pieces === 'string') {
      fault = { kind: 'corrupt', offset: chunk.offset, message: pieces };
      break;
    }
    for (const piece of pieces) checked.push({ ...piece, at: chunk.at + piece.start - chunk.offset });
  }
  for (const { start, end, crc32: crc, bytes, at } of checked) {
    if (bytes.buffer !== memory.buffer) memory.set(bytes, slabStart(job.slab) + at); // copy: to where the store reads it
    const last = written.at(-1);
    if (last?.at !== undefined && last.end === start && last.at + last.end - last.start === at) {
      last.end = end;
      last.crc32 = combineCrc32(last.crc32, crc, end - start);
    } else {
      written.push({ start, end, crc32: crc, at });
    }
  }
  return fault;
}

/** The raw bytes of a chunk in `slab` and their CRC-32, or what is wrong with it. */
export function checkedChunk(slab: number, chunk: SlabChunk): { raw: Uint8Array; crc32: number } | string {
  const at = slabStart(slab) + chunk.at;
  const wire = memory.subarray(at, at + chunk.wireBytes);
  let raw: Uint8Array = wire;
  if (chunk.codec !== 'identity') {
    try {
      raw = decodeChunkSync(wire, chunk.codec, chunk.rawBytes);
    } catch (error) {
      return (error as Error).message;
    }
  }
  const whole = crc32(raw);
  if (chunk.crc32 >= 0 && whole !== chunk.crc32) return 'its checksum is wrong';
  if (chunk.codec === 'gzip' && whole !== trailerOf(wire).crc32)
    return 'the checksum of its gzip member is wrong';
  return { raw, crc32: whole };
}

/** The ranges of a chunk with their bytes, or what is wrong with it. */
function checkedPieces(job: DrainJob, chunk: DrainChunk): Piece[] | string {
  const content = checkedChunk(job.slab, chunk);
  if (typeof content === 'string') return content;
  const { raw } = content;
  return chunk.ranges.map(({ start, end }) => {
    const bytes = raw.subarray(start - chunk.offset, end - chunk.offset);
    return { start, end, bytes, crc32: bytes.length === raw.length ? content.crc32 : crc32(bytes) };
  });
}

/** One piece, where both are neighbours in memory and in the file. */
function join(first: Piece, second: Piece): Piece | null {
  const { bytes } = first;
  const areNeighbours =
    first.end === second.start &&
    bytes.buffer === memory.buffer &&
    second.bytes.buffer === memory.buffer &&
    bytes.byteOffset + bytes.length === second.bytes.byteOffset;
  if (!areNeighbours) return null;
  return {
    start: first.start,
    end: second.end,
    crc32: combineCrc32(first.crc32, second.crc32, second.bytes.length),
    bytes: memory.subarray(bytes.byteOffset, bytes.byteOffset + bytes.length + second.bytes.length),
  };
}

function write(fd: number, piece: Piece, written: WrittenBytes[]): void {
  const startMs = performance.now();
  let done = 0;
  // A write may be short: a signal, a limit, a nearly full disk.
  while (done < piece.bytes.length) {
    const taken = writeSync(fd, piece.bytes, done, piece.bytes.length - done, piece.start + done);
    if (taken === 0) throw Object.assign(new Error('write(2) took no byte'), { code: 'EIO' });
    done += taken;
  }
  writeMs += performance.now() - startMs;
  report(piece, written);
}

/** Contiguous ranges are joined, whatever memory they came from. */
function report({ start, end, crc32: crc }: Piece, written: WrittenBytes[]): void {
  const last = written.at(-1);
  if (last?.end === start) {
    last.end = end;
    last.crc32 = combineCrc32(last.crc32, crc, end - start);
  } else {
    written.push({ start, end, crc32: crc });
  }
}
