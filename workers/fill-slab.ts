/**
 * Job of a pool thread: fill one slab with ready-to-send messages, of the bytes
 * of a descriptor, of a pack, or of those that are in the slab already.
 *
 * Synchronous, touches every byte once where it can, never sees gRPC, never
 * throws: errors are values, because a rejection costs the thread. Between
 * chunks it looks whether anybody still wants the result.
 */
import { type Coding, IDENTITY } from '../src/base/coding.ts';
import { isNoise, PROBE_BYTES, PROBE_CODING, WORTHWHILE_RATIO } from '../src/base/compressibility.ts';
import { errnoOf } from '../src/base/errors.ts';
import { SLAB_HEADROOM_BYTES } from '../src/base/limits.ts';
import type { FilledRun, FillJob, FillResult, PackSlice } from '../src/engine/jobs/job.ts';
import { type ChunkFields, chunkHeaderBytes, writeChunkHeader } from '../src/wire/chunk-header.ts';
import { codecNumber, encodeSync } from '../src/wire/codec.ts';
import { combineCrc32, crc32 } from '../src/wire/crc32.ts';
import { trailerOf } from '../src/wire/gzip-member.ts';
import { type Gathered, gatherPack } from './gather-pack.ts';
import { readWhole } from './read-whole.ts';
import { enterSlab, isCancelled, leaveSlab, memory, slabStart } from './slab-memory.ts';

/** What the reads of the job that runs have taken. */
let readMs = 0;

/** What the job that runs has found in its pack. */
let gathered: Gathered | undefined;

export function fillSlab(job: FillJob): FillResult {
  enterSlab(job.slab);
  try {
    return fill(job);
  } catch (error) {
    return { kind: 'failed', errno: errnoOf(error) ?? 'UNKNOWN', message: String(error) };
  } finally {
    leaveSlab(job.slab);
  }
}

function fill(job: FillJob): FillResult {
  const startMs = performance.now();
  readMs = 0;
  gathered = undefined;
  const compresses = job.coding.codec !== 'identity';
  // A sample of a pack would open its files twice: all of it is gathered first.
  if (compresses && job.pack !== null) gather(job, job.pack, [payloadOf(job)]);
  const gainless = compresses && job.probe && !probe(job);
  const coding = gainless ? IDENTITY : job.coding;
  const isInPlace = coding.codec === 'identity' && !isInSlab(job);
  const result = isInPlace ? fillIdentity(job) : fillBehindHeadroom(job, coding);
  if (isCancelled(job.slab)) return { kind: 'cancelled' };
  if (result.kind === 'filled') {
    result.workMs = performance.now() - startMs;
    result.readMs = readMs;
    if (gainless) result.incompressible = true;
    noteGathered(result);
  }
  return result;
}

/** Reads each chunk straight into its place, leaving exactly its header's room before it. */
function fillIdentity(job: FillJob): FillResult {
  const base = slabStart(job.slab);
  const chunks: Uint8Array[] = [];
  const fields = blankFields(job);
  let at = base;
  for (let done = 0; done < job.rawBytes; done += job.chunkBytes) {
    setChunk(fields, job, done);
    at += chunkHeaderBytes(fields);
    chunks.push(memory.subarray(at, at + fields.wireBytes));
    at += fields.wireBytes;
  }
  if (job.pack !== null) gather(job, job.pack, chunks);
  else if (!readChunks(job, chunks, job.offset)) return { kind: 'short' };
  return writeHeaders(job, chunks, fields, base);
}

function writeHeaders(job: FillJob, chunks: Uint8Array[], fields: ChunkFields, base: number): FillResult {
  let crc = 0;
  let at = base;
  let done = 0;
  for (const chunk of chunks) {
    if (isCancelled(job.slab)) return { kind: 'cancelled' };
    setChunk(fields, job, done);
    if (job.checksums) {
      fields.crc32 = crc32(chunk);
      crc = combineCrc32(crc, fields.crc32, chunk.length);
    }
    at = writeChunkHeader(memory, at, fields) + chunk.length;
    done += chunk.length;
  }
  return filled(job, at - base, crc);
}

/**
 * Reads the job's bytes behind the headroom, where they are not there
 * already, and moves them forward, compressed or not, chunk by chunk. The write
 * position never overtakes what is still to be moved: a chunk is only kept
 * compressed when that makes it smaller, and all headers together fit the headroom.
 */
function fillBehindHeadroom(job: FillJob, coding: Coding): FillResult {
  const base = slabStart(job.slab);
  const raw = payloadOf(job);
  if (!isInSlab(job) && !readChunks(job, [raw], job.offset)) return { kind: 'short' };
  const fields = blankFields(job);
  let crc = 0;
  let at = base;
  for (let done = 0; done < job.rawBytes; done += job.chunkBytes) {
    if (isCancelled(job.slab)) return { kind: 'cancelled' };
    setChunk(fields, job, done);
    const chunk = raw.subarray(done, done + fields.rawBytes);
    const member = coding.codec === 'identity' ? chunk : encodeSync(chunk, coding);
    if (member.length < chunk.length) setMember(fields, member, coding);
    if (job.checksums) {
      fields.crc32 = crcOf(chunk, member, coding);
      crc = combineCrc32(crc, fields.crc32, chunk.length);
    }
    at = writeChunkHeader(memory, at, fields);
    if (fields.compressed)
      memory.set(member, at); // copy: zlib allocates its own output
    else moveTo(at, chunk);
    at += fields.wireBytes;
  }
  const result = filled(job, at - base, crc);
  result.incompressible = coding.codec !== 'identity' && result.runBytes > job.rawBytes * WORTHWHILE_RATIO;
  return result;
}

/** The job's bytes, behind the headroom of its slab. */
function payloadOf({ slab, rawBytes }: FillJob): Uint8Array {
  const at = slabStart(slab) + SLAB_HEADROOM_BYTES;
  return memory.subarray(at, at + rawBytes);
}

function moveTo(at: number, chunk: Uint8Array): void {
  memory.copyWithin(at, chunk.byteOffset, chunk.byteOffset + chunk.length); // copy: close the gap before it
}

/** The CRC-32 of a chunk that was compressed to `member`. */
function crcOf(chunk: Uint8Array, member: Uint8Array, { codec }: Coding): number {
  // A gzip member has it in its trailer.
  return codec === 'gzip' ? trailerOf(member).crc32 : crc32(chunk);
}

/** Whether a sample from the middle of the job gets notably smaller. */
function probe(job: FillJob): boolean {
  const sampleBytes = Math.min(PROBE_BYTES, job.rawBytes);
  const at = Math.floor((job.rawBytes - sampleBytes) / 2);
  // To the same place where the whole is read later.
  const sample = payloadOf(job).subarray(at, at + sampleBytes);
  if (!isInSlab(job) && !readChunks(job, [sample], job.offset + at)) return false;
  return !isNoise(sample) && encodeSync(sample, PROBE_CODING).length <= sampleBytes * WORTHWHILE_RATIO;
}

function noteGathered(run: FilledRun): void {
  if (gathered === undefined) return;
  const { lost, refused } = gathered;
  if (refused.length > 0) run.refused = refused;
  if (lost !== undefined) run.lost = lost;
}

/** Whether the job's bytes are behind the header room already. */
function isInSlab({ fd, pack }: FillJob): boolean {
  return fd === null && (pack === null || gathered !== undefined);
}

/** Fills all `chunks` with the files of a pack; a job that is cancelled meanwhile ends at its next chunk. */
function gather(job: FillJob, pack: PackSlice, chunks: readonly Uint8Array[]): void {
  const startMs = performance.now();
  gathered = gatherPack(pack, chunks, () => isCancelled(job.slab));
  readMs += performance.now() - startMs;
}

/** Fills all `chunks` from `offset` on; false when the file ends before. */
function readChunks(job: FillJob, chunks: Uint8Array[], offset: number): boolean {
  const startMs = performance.now();
  const isWhole = readWhole(job.fd as number, chunks, offset);
  readMs += performance.now() - startMs;
  return isWhole;
}

function blankFields(job: FillJob): ChunkFields {
  return {
    wireBytes: 0,
    rawBytes: 0,
    compressed: false,
    offset: -1,
    crc32: job.checksums ? 0 : -1,
    codec: 0,
    exchangeId: job.exchangeId ?? 0,
  };
}

/** Describes the uncompressed chunk that starts `done` bytes into the job. */
function setChunk(fields: ChunkFields, job: FillJob, done: number): void {
  fields.rawBytes = Math.min(job.chunkBytes, job.rawBytes - done);
  fields.wireBytes = fields.rawBytes;
  fields.compressed = false;
  fields.codec = 0;
  if (job.details) fields.offset = job.offset + done;
}

/** Describes the chunk as compressed to `member`. */
function setMember(fields: ChunkFields, member: Uint8Array, { codec }: Coding): void {
  fields.compressed = true;
  fields.codec = codecNumber(codec);
  fields.wireBytes = member.length;
}

function filled(job: FillJob, runBytes: number, crc: number): FilledRun {
  return {
    kind: 'filled',
    runBytes,
    rawBytes: job.rawBytes,
    crc32: crc,
    incompressible: false,
    workMs: 0,
    readMs: 0,
  };
}
