/**
 * Memory as on a machine that has been in use for days: full of cached files.
 *
 * A virtual machine gives free pages back to its host, and at the next use of
 * such a page the host is asked for it: two to five CPU seconds for each GiB,
 * charged to whoever writes to the page cache then. Where no memory is free,
 * new pages come from cached files that are not needed, at once. So before
 * something that writes much is timed, what earlier files left free is filled.
 * What was not used for a minute is taken back too, files to be sent as well.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { GIB, MIB } from '../../src/base/units.ts';

/** About what the kernel keeps free at least. */
const LEFT_FREE_BYTES = 256 * MIB;

/** Read between two looks at what is free. */
const STEP_BYTES = 64 * MIB;

/** Read without less becoming free: the kernel takes the pages of earlier zeros. It may do so for a while, and go on. */
const IN_VAIN_BYTES = GIB;

/** Of the file of zeros: longer than any memory, and within what file systems allow. */
const FILE_BYTES = 8192 * GIB;

/** Its files are memory. */
const MEMORY_DIRECTORY = '/dev/shm';

/**
 * In use beside the zeros. The kernel stops to take them with some hundred
 * MiB still free, as blocks that the host has; what takes those first leaves free
 * only what was zeros just now.
 */
const BALLAST_BYTES = Math.min(GIB, totalmem() / 16);

const PIECE = Buffer.alloc(4 * MIB);

let zeros: number | undefined;
/** How far the file has been read, in bytes. */
let position = 0;

/**
 * Caches zeros, which are clean and used by nobody, until hardly any memory is
 * free, or until the kernel rather takes the pages of earlier ones. They come
 * from a file without blocks in `directory`. Nothing where the system does not
 * say what is free.
 */
export function fillPageCache(directory: string): void {
  zeros ??= openZeros(directory);
  let least = freeBytes();
  for (let inVain = 0; least > LEFT_FREE_BYTES && inVain < IN_VAIN_BYTES; ) {
    for (let done = 0; done < STEP_BYTES; done += PIECE.length) {
      position += readSync(zeros, PIECE, 0, PIECE.length, position);
    }
    const free = freeBytes();
    inVain = free < least ? 0 : inVain + STEP_BYTES;
    least = Math.min(least, free);
  }
}

/**
 * Takes what a full page cache leaves free, until the end of the process. For
 * what writes about a GiB at once, right behind this: two seconds later, what
 * is free is the host's again.
 */
export function takeFreeMemory(): void {
  const ballast = openBallast();
  for (let done = 0; ballast !== undefined && done < BALLAST_BYTES; done += PIECE.length) {
    writeSync(ballast, PIECE, 0, PIECE.length, done);
  }
}

/** Reads a file, so that the first to send it waits for the disk no more than the next. */
export function cacheFile(path: string): void {
  const opened = openSync(path, 'r');
  while (readSync(opened, PIECE, 0, PIECE.length, null) > 0);
  closeSync(opened);
}

function openZeros(directory: string): number {
  const opened = openUnnamed(join(directory, `zeros-${process.pid}`));
  ftruncateSync(opened, FILE_BYTES);
  return opened;
}

/** None where there is no room for it. */
function openBallast(): number | undefined {
  if (!existsSync(MEMORY_DIRECTORY)) return undefined;
  const { bavail, bsize } = statfsSync(MEMORY_DIRECTORY);
  if (bavail * bsize < BALLAST_BYTES) return undefined;
  return openUnnamed(join(MEMORY_DIRECTORY, `ballast-${process.pid}`));
}

/** A new file without a name: its pages go when nobody has it open, at the end of the process. */
function openUnnamed(path: string): number {
  const opened = openSync(path, 'wx+');
  unlinkSync(path);
  return opened;
}

/** 0 where it cannot be known. */
function freeBytes(): number {
  if (process.platform !== 'linux') return 0;
  const match = /^MemFree:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'));
  return Number(match?.[1] ?? 0) * 1024;
}
