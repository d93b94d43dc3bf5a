/**
 * Loaded into a server with `--import`, this makes its store slow: each read of
 * a worker thread waits for the milliseconds in the query of this module's URL.
 * Threads wait for themselves alone, so reads in flight wait side by side, as
 * those of a disk array or a file server do. The main thread is left as it is.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const READ_MS = Number(new URL(import.meta.url).searchParams.get('ms'));

const never = new Int32Array(new SharedArrayBuffer(4));

/** `read` behind a wait. */
function slowed<Arguments extends unknown[]>(read: (...args: Arguments) => number) {
  return (...args: Arguments) => {
    Atomics.wait(never, 0, 0, READ_MS);
    return read(...args);
  };
}

if (!isMainThread) {
  fs.readSync = slowed(fs.readSync as (...args: unknown[]) => number);
  fs.readvSync = slowed(fs.readvSync as (...args: unknown[]) => number);
  syncBuiltinESMExports();
}
