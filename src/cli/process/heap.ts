import { setFlagsFromString } from 'node:v8';
import { bucketRootOf } from '../../config/bucket-root.ts';
import type { Config } from '../../config/schema.ts';

/** Where clients send to a directory. With 64 uploads, six times rather than four saves a twentieth and holds 16 MiB more. */
const RECEIVING_TIMES = 6;

/**
 * What comes from a bucket is received, too. The SDK makes the heap twice as large, so half of that
 * does: 64 streams hold 245 MiB, and 295 with six times, for the same CPU time; with
 * twice, downloads and uploads cost a third more of that.
 */
const BUCKET_TIMES = 3;

/**
 * Lets V8's old space grow to some times what lives in it before it is
 * collected. V8 counts the buffers of received bytes against the same limit,
 * also those that the next scavenge would free; with its usual factor a small
 * heap is collected for every 13 MiB that arrive, which cost more than half of
 * the processor's time (uploads of 1 GiB, --trace-gc: 80 collections and 3.4 s of user
 * CPU for each GiB, against none and 1.0 with six times).
 */
export function collectLessOften({ root, writable }: Pick<Config, 'root' | 'writable'>): void {
  const times = bucketRootOf(root) !== undefined ? BUCKET_TIMES : writable ? RECEIVING_TIMES : undefined;
  if (times !== undefined) setFlagsFromString(`--heap-growing-percent=${(times - 1) * 100}`);
}
