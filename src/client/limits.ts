/**
 * Limits and fixed periods of the client: name, unit, reason, relation. Options
 * of callers are in `options.ts`.
 *
 * A transfer holds at most: the receive window, a message that is put together
 * and one that waits while the call is paused, INFLATE_SLOTS chunks, and one
 * sink queue, filled by a chunk too many.
 */
import { availableParallelism } from 'node:os';
import { KIB, MIB } from '../base/units.ts';

/** The port of a target that names none; where `sluice serve` listens. */
export const DEFAULT_PORT = 50051;

/** Chunks of one transfer that are inflated at once: the size of libuv's thread pool. */
export const INFLATE_SLOTS = 4;

/** The smallest chunk the client asks for, after stalls made it ask for smaller ones. */
export const MIN_CHUNK_BYTES = 16 * KIB;

/** Bytes taken from the network and not yet written to a partial file; above it the call is paused. */
export const WRITE_QUEUE_BYTES = 8 * MIB;

/**
 * One write to a partial file, at most, unless a single chunk is larger. The queue holds
 * several: one is written while the next one fills.
 */
export const WRITE_BUFFER_BYTES = 2 * MIB;

/** A resume point is due after so many bytes written; this also starts write-back early. */
export const RESUME_POINT_BYTES = 64 * MIB;

/** A resume point is also due after this time, for slow links. */
export const RESUME_POINT_MS = 2_000;

/** One read when the bytes of a resumed partial file are checked. */
export const RESUME_READ_BYTES = 1 * MIB;

/** Bytes that wait for the consumer of `stream()`; above it the call is paused. A consumer that stops holds them. */
export const STREAM_QUEUE_BYTES = 512 * KIB;

/** Time between two progress reports while bytes arrive. */
export const PROGRESS_INTERVAL_MS = 100;

/** Answers without file bytes are names and numbers, a batch of a listing at the most; decoded they are several times as large. */
export const MAX_ANSWER_BYTES = 2 * MIB;

/** Tries to reach a server that has never answered this client, at the least. */
export const FIRST_CONNECT_TRIES = 3;

/** Those tries take at least so many first waits (two seconds at the default), in which a server restarts. */
export const FIRST_CONNECT_WAITS = 20;

/** A server that has never answered is given up after this time, whatever the cause. */
export const FIRST_CONNECT_MS = 10_000;

/** Ranges in a resume record: one for each connection, and what earlier runs left apart. Further ones are fetched again. */
export const MAX_RECORD_RANGES = 64;

/** Resume records are a few hundred bytes, a few thousand at the most; anything larger is not one. */
export const MAX_RECORD_BYTES = 64 * KIB;

/**
 * Pings on a connection with calls keep it open in routers between and find a dead peer while our own side
 * reads nothing; otherwise the stall timeout finds it. Other servers allow one in five minutes. A ping, or its
 * answer, waits behind megabytes in the kernel's send buffer, on a slow link for a minute.
 */
export const KEEPALIVE_INTERVAL_MS = 310_000;
export const KEEPALIVE_TIMEOUT_MS = 60_000;

/** Times a transfer begins again because the file changed under it; a file in constant change must end in an error. */
export const MAX_RESTARTS = 5;

/** Connections of one transfer, at most: each costs the server a socket and a share of its streams. */
export const MAX_CONNECTIONS = 16;

/** The most connections of one transfer, unless the caller says how many. */
export const DEFAULT_CONNECTIONS = 4;

/** A part of an upload is at least this long: its end makes the server sync. */
export const MIN_PART_BYTES = 32 * MIB;

/**
 * What one connection of a download takes from another is at least this long: it costs a round trip and what is in
 * flight. A connection that has brought less in a second takes less.
 */
export const MIN_STRIPE_BYTES = 8 * MIB;
export const MIN_SLOW_STRIPE_BYTES = MIB;

/** How often a connection of a download that has nothing to fetch looks after the others. */
export const IDLE_LOOK_MS = 100;

/** Chunks of one call that are being read, compressed or sent: its memory is so many chunks. */
export const SEND_SLOTS = 6;

/** Chunks of one upload that are compressed at once: libuv's thread pool has four threads, of use on as many processors. */
export const COMPRESS_SLOTS = Math.min(4, availableParallelism());

/** The gzip level up to which an upload goes by itself, as a server does unless told otherwise. */
export const MAX_GZIP_LEVEL = 6;

/** Messages given to grpc-js and not yet taken by the transport: one under way, one ready behind it. */
export const OUTSTANDING_MESSAGES = 2;

/** How long the first upload waits to learn how many servers a name stands for. */
export const SLOW_NAME_MS = 1_000;

/** Uploads up to this size take one call from the start to the finish. */
export const SMALL_UPLOAD_BYTES = 256 * KIB;

/** The chunk size before the server has named its limit: few servers take less, and those say so. */
export const SAFE_CHUNK_BYTES = 64 * KIB;

/** The longest id that a server may give an upload: it is kept in a record, and sent with each call. */
export const MAX_UPLOAD_ID_CHARS = 256;

/** How often an upload asks what is durable. */
export const STATUS_INTERVAL_MS = 1_000;

/** The least that a server makes durable and reads back in a millisecond: a disk of 20 MiB/s. */
export const FINISH_BYTES_PER_MS = 20 * KIB;

/** Bytes that may be in flight when the transport has taken the last one: the kernel's send buffer, windows. */
export const UNDER_WAY_BYTES = 8 * MIB;

/** The longest wait for discarding a failed upload, which is a courtesy. */
export const ABORT_TIMEOUT_MS = 3_000;

/** Streams are kept in blocks of this size. */
export const REPLAY_BLOCK_BYTES = 256 * KIB;

/** How long a stream may take to fill a message before the message goes out as it is. */
export const SOURCE_GATHER_MS = 20;

/** After this long without a byte of the stream the call is ended, so that the server sees no stall. */
export const SOURCE_IDLE_MS = 5_000;

/** Records of uploads that no run came back for, and whose upload has expired, are removed; at most so many at a time. */
export const MAX_SWEPT_RECORDS = 64;

/** Requests that a session opens before the server has said how many it takes, and their credit; the contract allows it. */
export const REQUESTS_BEFORE_LIMITS = 64;
export const CREDIT_BEFORE_LIMITS_BYTES = 256 * KIB;

/** Bytes of a read on a session that are under way or wait for its consumer; a consumer that stops holds them. */
export const READ_WINDOW_BYTES = 1 * MIB;

/** What the window of a read grows to while its consumer takes everything at once: 1 GiB/s at 16 ms. */
export const MAX_READ_WINDOW_BYTES = 16 * MIB;

/** The same of a listing on a session, in encoded bytes; it does not grow. */
export const LIST_WINDOW_BYTES = 256 * KIB;

/** What `buffer()` of a read takes at most, unless the caller says more. */
export const BUFFER_BYTES = 64 * MIB;

/** A written pack may be under way as long as a link of 64 KiB/s needs, beyond the stall time-out. */
export const SLOW_LINK_BYTES_PER_MS = 64;
