/**
 * Numeric file descriptors, as promises. Not `FileHandle`s: worker threads read
 * from the number, and a handle cannot cross threads. Whoever opens one closes
 * it; a number used after its close means some other file.
 */
import { close, open } from 'node:fs';
import { promisify } from 'node:util';

/** Opens `path` with `flags` of open(2). */
export const openDescriptor: (path: string, flags: number) => Promise<number> = promisify(open);

export const closeDescriptor: (fd: number) => Promise<void> = promisify(close);
