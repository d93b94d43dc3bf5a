/**
 * Limits and fixed periods of the client: name, unit, reason, relation. What a
 * caller may want to change is an option in `options.ts`.
 *
 * A transfer holds at most: the receive window, 16 messages that grpc-js reads
 * ahead of a paused call, INFLATE_SLOTS chunks, and one sink queue.
 */
import { KIB, MIB } from '../base/units.ts';

/** The port of a target that names none; where `sluice serve` listens. */
export const DEFAULT_PORT = 50051;

/** Compressed chunks of one transfer that are inflated at once: the size of libuv's thread pool. */
export const INFLATE_SLOTS = 4;

/** The smallest chunk the client asks for, after stalls made it ask for smaller ones. */
export const MIN_CHUNK_BYTES = 16 * KIB;

/** Bytes taken from the network and not yet written to a part; above it the call is paused. */
export const WRITE_QUEUE_BYTES = 8 * MIB;

/**
 * One write to a part, at most, unless a single chunk is larger. The queue has
 * room for several: one is written while the next one fills.
 */
export const WRITE_BUFFER_BYTES = 2 * MIB;

/** A resume point is due after so many bytes written; this also starts write-back early. */
export const RESUME_POINT_BYTES = 64 * MIB;

/** A resume point is also due after this time, for slow links. */
export const RESUME_POINT_MS = 2_000;

/** One read when the bytes of a resumed part are checked. */
export const PREFIX_READ_BYTES = 1 * MIB;

/** Bytes that wait for the consumer of `stream()`; above it the call is paused. */
export const STREAM_QUEUE_BYTES = 2 * MIB;

/** Time between two progress reports while bytes arrive. */
export const PROGRESS_INTERVAL_MS = 100;

/** How often a call is looked at for stalls, as a part of the stall time-out. */
export const WATCH_TICKS = 4;

/** Tries to reach a server that has never answered this client: a wrong address should fail fast. */
export const FIRST_CONNECT_TRIES = 3;

/** A lock file without readable content is being written right now, unless it is older than this. */
export const LOCK_WRITE_GRACE_MS = 5_000;

/** Resume records are a few hundred bytes; anything larger is not one. */
export const MAX_RECORD_BYTES = 64 * KIB;

/** A ping on a connection with calls detects a dead peer within this time and the next. */
export const KEEPALIVE_INTERVAL_MS = 30_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;

/** Times a transfer begins again because the file changed under it; a file in constant change must end in an error. */
export const MAX_RESTARTS = 5;
