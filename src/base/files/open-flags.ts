/** Flags of open(2) for what a peer names, in the event loop and in the worker threads. */
import { constants } from 'node:fs';

/** A directory that is not reached through a symbolic link. */
export const OPEN_DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * A file to read. Without O_NONBLOCK, opening a FIFO waits for a writer, in a
 * thread that then cannot be ended; without O_NOCTTY a terminal could become ours.
 */
export const OPEN_FILE_FLAGS =
  constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
