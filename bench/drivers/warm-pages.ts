/**
 * Memory that is ready for use. A virtual machine gives free pages back to its
 * host, and at the next use of such a page the host is asked for it: two to
 * five CPU seconds for each GiB, charged to whoever writes to the page cache
 * then. So what is timed gets pages that were used just before.
 */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MIB } from '../../src/base/units.ts';

/** More at once is given back at once. */
const MOST_BYTES = 768 * MIB;

/** Has `bytes`, if they are not too many, lie free and warm for new pages of files beside `path`. */
export function warmPages(path: string, bytes: number): void {
  const piece = Buffer.alloc(MIB, 1);
  const file = join(dirname(path), `pages-${process.pid}`);
  const fd = openSync(file, 'wx');
  try {
    for (let done = 0; done < Math.min(bytes, MOST_BYTES); done += piece.length) writeSync(fd, piece);
  } finally {
    closeSync(fd);
    unlinkSync(file);
  }
}
