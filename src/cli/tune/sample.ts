/**
 * The files that a tuning reads: a few of the largest of the directory, as its
 * server lists them, up to a bound that fits the page cache. Without any, a
 * temporary file takes their place.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { TransferError } from '../../base/errors.ts';
import { MIB } from '../../base/units.ts';
import type { SluiceClient } from '../../client/client.ts';
import type { ListEntry } from '../../wire/messages.ts';
import type { SampleFile } from './workload.ts';

const MAX_FILES = 8;

/** Enough files to find large ones; a directory may have any number. */
const MAX_LISTED = 100_000;

/** Compressed from the beginning of each file to tell whether the files compress. */
const PROBE_BYTES = MIB;

/** Files whose compressed share is larger are not worth compressing. */
const COMPRESSIBLE_SHARE = 0.9;

const GENERATED_NAME = 'generated';
const GENERATED_BYTES = 128 * MIB;

/** One piece of it is repeated: far more than the 32 KiB that gzip looks back. */
const GENERATED_PIECE_BYTES = 8 * MIB;

export interface Sample {
  files: SampleFile[];
  bytes: number;
  isCompressible: boolean;
}

/**
 * Picks the files and reads them once, so that they are in the page cache.
 * Files that cannot be read are left out. No files are a sample of 0 bytes.
 */
export async function takeSample(
  client: SluiceClient,
  mostBytes: number,
  signal: AbortSignal,
): Promise<Sample> {
  const wanted = shareOut(await largestFiles(client, signal), mostBytes);
  const sample: Sample = { files: [], bytes: 0, isCompressible: false };
  let [probedBytes, smallBytes] = [0, 0];
  for (const file of wanted) {
    const beginning: Uint8Array[] = [];
    if (!(await readThrough(client, file, beginning, signal))) continue;
    sample.files.push(file);
    sample.bytes += file.bytes;
    const probe = Buffer.concat(beginning).subarray(0, PROBE_BYTES);
    probedBytes += probe.length;
    smallBytes += gzipSync(probe, { level: 1 }).length;
  }
  sample.isCompressible = smallBytes < probedBytes * COMPRESSIBLE_SHARE;
  return sample;
}

/** Divides `mostBytes` among the files: none gets more than its size, and the rest goes to larger ones. */
export function shareOut(
  entries: readonly Pick<ListEntry, 'name' | 'size'>[],
  mostBytes: number,
): SampleFile[] {
  const smallestFirst = [...entries].sort((one, other) => one.size - other.size);
  let leftBytes = mostBytes;
  const files = smallestFirst.map(({ name, size }, index) => {
    const bytes = Math.min(size, Math.floor(leftBytes / (smallestFirst.length - index)));
    leftBytes -= bytes;
    return { name, bytes };
  });
  return files.filter((file) => file.bytes > 0).reverse();
}

/** A directory with one file, half of it text and half of it noise. It is removed by `remove` or at exit. */
export class GeneratedDirectory {
  readonly path = mkdtempSync(join(tmpdir(), 'sluice-tune-'));
  readonly #onExit = () => this.remove();

  constructor() {
    process.once('exit', this.#onExit);
    const half = GENERATED_PIECE_BYTES / 2;
    const piece = Buffer.concat([Buffer.from(wordsOf(half), 'latin1'), randomBytes(half)]);
    for (let written = 0; written < GENERATED_BYTES; written += piece.length)
      writeFileSync(join(this.path, GENERATED_NAME), piece, { flag: 'a' });
  }

  /** Safe to call twice. */
  remove(): void {
    process.off('exit', this.#onExit);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Random words of a small vocabulary: gzip shrinks them to a third, like logs. */
function wordsOf(chars: number): string {
  const words = Array.from({ length: 1024 }, () => `${randomBytes(3).toString('hex')} `);
  const picks = randomBytes(chars);
  let text = '';
  for (let at = 0; text.length < chars; at += 2) text += words[picks.readUInt16LE(at) % words.length];
  return text.slice(0, chars);
}

async function largestFiles(client: SluiceClient, signal: AbortSignal): Promise<ListEntry[]> {
  let largest: ListEntry[] = [];
  let listed = 0;
  for await (const entry of client.list('', { recursive: true, signal })) {
    listed += 1;
    if (listed > MAX_LISTED) break;
    if (entry.isDirectory || entry.size === 0) continue;
    if (largest.length === MAX_FILES && entry.size <= (largest.at(-1)?.size ?? 0)) continue;
    largest = [...largest, entry].sort((one, other) => other.size - one.size).slice(0, MAX_FILES);
  }
  return largest;
}

async function readThrough(
  client: SluiceClient,
  { bytes, name }: SampleFile,
  beginning: Uint8Array[],
  signal: AbortSignal,
): Promise<boolean> {
  let readBytes = 0;
  try {
    for await (const chunk of client.stream(name, { limit: bytes, signal })) {
      if (readBytes < PROBE_BYTES) beginning.push(chunk);
      readBytes += chunk.byteLength;
    }
    return readBytes === bytes;
  } catch (reason) {
    if (TransferError.from(reason).code === 'CANCELLED') throw reason;
    return false;
  }
}
