/**
 * Job of the hash pool's thread: the SHA-256 of a file. A large file may take
 * seconds, so it has a thread of its own and checks for cancellation between
 * pieces.
 */
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { errnoOf } from '../src/base/errors.ts';
import { MIB } from '../src/base/units.ts';
import type { HashJob, HashResult, HashSetup } from '../src/engine/jobs/job.ts';
import { lowerPriority } from './priority.ts';

const { niceness, stop } = workerData as HashSetup;
const stopWord = new Int32Array(stop);
const piece = Buffer.alloc(MIB);

lowerPriority(niceness);

export default function hashFile({ fd, size }: HashJob): HashResult {
  const hash = createHash('sha256');
  try {
    for (let at = 0; at < size; ) {
      if (Atomics.load(stopWord, 0) !== 0) return { kind: 'failed', errno: 'ECANCELED' };
      const read = readSync(fd, piece, 0, Math.min(piece.length, size - at), at);
      if (read === 0) return { kind: 'failed', errno: 'EIO' };
      hash.update(piece.subarray(0, read));
      at += read;
    }
    return { kind: 'hashed', sha256: hash.digest() };
  } catch (error) {
    return { kind: 'failed', errno: errnoOf(error) ?? 'UNKNOWN' };
  }
}
