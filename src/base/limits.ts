/**
 * Fixed limits: name, unit, reason. They are part of a format or bound a queue;
 * what an operator may want to change is in `config/schema.ts`.
 */
import { KIB, MIB } from './units.ts';

/** The longest component of a name, in bytes of UTF-8 (NAME_MAX of Linux file systems). */
export const MAX_NAME_COMPONENT_BYTES = 255;

/** The longest name, in bytes of UTF-8. Well below PATH_MAX, so that the root's own path fits before it. */
export const MAX_NAME_BYTES = 2 * KIB;

/** The deepest name, in components: each costs one open of a directory. */
export const MAX_NAME_DEPTH = 64;

/**
 * The most bytes in front of a chunk: 5 of gRPC frame header, then the protobuf
 * fields of `wire/chunk-header.ts` (6 + 5, then 2 + 11 + 6 + 5 + 2 + 6), rounded up.
 */
export const MAX_CHUNK_HEADER_BYTES = 50;

/** Headroom of each slab, in front of its payload: for headers. */
export const SLAB_HEADROOM_BYTES = 4 * KIB;

/** The most messages in one slab; with this many, all headers fit the headroom. */
export const MAX_MESSAGES_PER_SLAB = 80;
if (MAX_MESSAGES_PER_SLAB * MAX_CHUNK_HEADER_BYTES > SLAB_HEADROOM_BYTES) {
  throw new Error('the headers of a full slab must fit its headroom');
}

/**
 * Request messages are names and numbers, and a name has at most `MAX_NAME_BYTES`;
 * anything larger is hostile. Bounds what a compressed one becomes, too: a hundred
 * bytes on the wire can stand for no more than this.
 */
export const MAX_REQUEST_MESSAGE_BYTES = 8 * KIB;

/** The smallest limit that a server may set for chunks: less is a message for nearly every byte. */
export const MIN_CHUNK_LIMIT_BYTES = KIB;

/** The largest chunk a client accepts, whatever the server sends. */
export const MAX_RECEIVED_CHUNK_BYTES = 64 * MIB;

/** Entries in one message of a listing. */
export const LIST_BATCH_ENTRIES = 256;

/** Bytes of names in one message of a listing, exceeded by at most one name. An unread listing holds one message. */
export const LIST_BATCH_BYTES = 16 * KIB;

/** Names of directories that all listings of a store hold together. */
export const LISTING_NAMES_BYTES = 16 * MIB;

/** What each listing may hold beyond `LISTING_NAMES_BYTES`: a little for each level, and one message. */
export const MIN_LISTING_BYTES = 128 * KIB;

/** Pages of listings that are asked of an object store, and parsed, at the same time. */
export const OBJECT_PAGES_AT_ONCE = 8;

/** A page of 1000 keys of 300 bytes, as text and as what it says. */
export const OBJECT_PAGE_BYTES = 4 * MIB;

/** Parts of uploads to an object store, gathered or being sent: 16 of the usual size. */
export const OBJECT_PARTS_BYTES = 128 * MIB;

/** The window of HTTP/2 without settings; nothing is gained by less. */
export const MIN_WINDOW_BYTES = 65_535;

/** What a server needs to let a few uploads follow their links at all. */
export const MIN_WINDOW_BUDGET_BYTES = MIB;

/** An upload that no byte has come for is discarded after this long without a call. */
export const EMPTY_UPLOAD_EXPIRY_MS = 60_000;

/** A lock file without readable content is being written right now, unless it is older than this. */
export const LOCK_WRITE_GRACE_MS = 5_000;

/** How often the holder of a lock touches it, for watchers that cannot see its process. */
export const LOCK_BEAT_MS = 2_000;

/** How long a lock is watched without a beat before its holder counts as gone: five beats. */
export const LOCK_WATCH_MS = 10_000;

/** A lock whose last beat is older is not watched at all. Longer than the clocks of two hosts differ. */
export const LOCK_OLD_MS = 600_000;

/** From accept to the headers of the first request, TLS handshake included: slower peers do not want a call. */
export const FIRST_REQUEST_TIMEOUT_MS = 10_000;

/** From the headers of a call to the whole of its request message. */
export const REQUEST_MESSAGE_TIMEOUT_MS = 10_000;

/** The header bytes of one request, as expanded from HPACK: a byte on the wire can stand for thousands. */
export const MAX_HEADER_BYTES = 16 * KIB;

/** The header fields of one request. */
export const MAX_HEADER_FIELDS = 64;

/** Messages of an upload, in a row, that carry no byte of the file. */
export const MAX_EMPTY_MESSAGES = 1000;

/**
 * Calls that last as long as their client likes: health watches and reflection. They have places of their own, so
 * that they never keep other calls out.
 */
export const MAX_STANDING_CALLS = 64;

/** Files in one pack, read or written: a job of some milliseconds. */
export const MAX_PACK_FILES = 256;

/** Bytes of content in one pack; in one that is written, no more than in a chunk. Larger files gain nothing in packs. */
export const MAX_PACK_BYTES = 64 * KIB * MAX_PACK_FILES;

/** Requests of one Exchange that are open at once; more gain nothing, as they share one stream. */
export const MAX_EXCHANGE_REQUESTS = 1024;

/** What one request of an Exchange may be granted and not use. It costs the server nothing; sums stay exact. */
export const MAX_EXCHANGE_CREDIT_BYTES = 2 ** 40;

/** Large messages of all Exchanges that are received, or whose packs are being written. */
const EXCHANGE_MESSAGES_BYTES = 32 * MIB;

/** Fields of the requests of an Exchange beside the content of a pack: names, sizes and versions of a full pack. */
const MAX_EXCHANGE_FIELD_BYTES = 128 * KIB;

/** The largest message of a client's side of an Exchange. */
export function maxExchangeMessageBytes(maxChunkBytes: number): number {
  return maxChunkBytes + MAX_EXCHANGE_FIELD_BYTES;
}

/** For large messages of all Exchanges together: two of the largest at least. */
export function exchangeQuotaBytes(maxChunkBytes: number): number {
  return Math.max(EXCHANGE_MESSAGES_BYTES, 2 * maxExchangeMessageBytes(maxChunkBytes));
}

/** Processes of one server. */
export const MAX_PROCESSES = 64;
