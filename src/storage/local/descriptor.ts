/**
 * Numeric file descriptors, as promises. Not `FileHandle`s: worker threads read
 * from the number, and a handle cannot cross threads. Whoever opens one closes
 * it; a number used after its close means some other file.
 */
import { close, constants, open } from 'node:fs';
import { promisify } from 'node:util';

/** Opens `path` with `flags` of open(2). */
export const openDescriptor: (path: string, flags: number) => Promise<number> = promisify(open);

export const closeDescriptor: (fd: number) => Promise<void> = promisify(close);

/** A directory that is not reached through a symbolic link. */
export const OPEN_DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * A file to read. Without O_NONBLOCK, opening a FIFO waits for a writer, in a
 * thread that then cannot be ended; without O_NOCTTY a terminal could become ours.
 */
export const OPEN_FILE_FLAGS =
  constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
