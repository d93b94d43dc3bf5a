/**
 * The most memory that transfers can hold, as a sum with one line for each
 * holder. It depends on the configuration only, never on the size or number of
 * files. Node itself, its code and its idle threads come on top.
 */
import {
  exchangeQuotaBytes,
  LISTING_NAMES_BYTES,
  MAX_HEADER_BYTES,
  MAX_REQUEST_MESSAGE_BYTES,
  MAX_STANDING_CALLS,
  MIN_LISTING_BYTES,
  MIN_WINDOW_BYTES,
  OBJECT_PAGE_BYTES,
  OBJECT_PAGES_AT_ONCE,
  OBJECT_PARTS_BYTES,
  SLAB_HEADROOM_BYTES,
} from '../../base/limits.ts';
import { leavingPlaces } from '../../base/places.ts';
import { KIB, MIB } from '../../base/units.ts';
import { bucketRootOf } from '../bucket-root.ts';
import { writeBytes } from '../notation.ts';
import type { Config } from '../schema.ts';
import { shareOf } from '../share.ts';

/** State of the largest compressor, zstd level 3 with its buffers, rounded up; gzip takes 2^17 + 2^18 bytes (zconf.h). */
const COMPRESSOR_STATE_BYTES = 4 * MIB;

/** State of the largest decompressor, brotli with a window of 4 MiB (MAX_WINDOW_BITS) and all the tables that a hostile stream can name. */
const DECOMPRESSOR_STATE_BYTES = 8 * MIB;

/** A connection with TLS and no calls: 51 KiB without TLS, measured with 500, and the state of TLS in OpenSSL and Node. */
const CONNECTION_BYTES = 96 * KIB;

/** An open request of an Exchange with its pipeline and file, without slabs. */
const OPEN_REQUEST_BYTES = 8 * KIB;

/** What a request can hold before it is handled, and its headers for as long as it lasts. */
const REQUEST_BYTES = MAX_REQUEST_MESSAGE_BYTES + MAX_HEADER_BYTES;

/** A request to an object store: socket, parser, TLS, and a piece of the body. */
const STORE_REQUEST_BYTES = 256 * KIB;

/** The headers of an upload call, and a decompressor of its messages: state, window, a piece on each side. */
const UPLOAD_CALL_BYTES = MAX_HEADER_BYTES + 128 * KIB;

export interface MemoryLine {
  bytes: number;
  /** The product that gives `bytes`, in keys and values. */
  arithmetic: string;
  /** What holds the bytes, and when. */
  holder: string;
}

export interface MemoryBound {
  /** The sum of the lines, in bytes. */
  total: number;
  lines: {
    slabs: MemoryLine;
    streams: MemoryLine;
    listings: MemoryLine;
    exchanges: MemoryLine;
    calls: MemoryLine;
    standing: MemoryLine;
    connections: MemoryLine;
    threads: MemoryLine;
    uploads?: MemoryLine;
    store?: MemoryLine;
    objectStore?: MemoryLine;
  };
}

/** The sum for one configuration. `hasOwnStore`: with a store that the caller gives, in place of `config.root`. */
export function memoryBoundBytes(config: Config, hasOwnStore = false): MemoryBound {
  const { processes } = config;
  const bound = boundOfProcess(shareOf(config), hasOwnStore);
  return processes === 1 ? bound : times(bound, processes);
}

function times({ lines, total }: MemoryBound, processes: number): MemoryBound {
  const all = Object.entries(lines).map(([name, { arithmetic, bytes, holder }]) => {
    return [
      name,
      { bytes: bytes * processes, arithmetic: `(${arithmetic}) × processes ${processes}`, holder },
    ];
  });
  return { total: total * processes, lines: Object.fromEntries(all) as MemoryBound['lines'] };
}

function boundOfProcess(config: Config, hasOwnStore: boolean): MemoryBound {
  const hasBucket = !hasOwnStore && bucketRootOf(config.root) !== undefined;
  const lines = {
    slabs: slabLine(config),
    streams: streamLine(config),
    listings: listingLine(),
    exchanges: exchangeLine(config),
    calls: callLine(config),
    standing: standingLine(),
    connections: connectionLine(config),
    threads: threadLine(config),
    ...(config.writable ? { uploads: uploadLine(config) } : {}),
    ...(config.writable && (hasOwnStore || hasBucket) ? { store: storeLine(config) } : {}),
    ...(hasBucket ? { objectStore: objectStoreLine(config) } : {}),
  };
  const total = Object.values(lines).reduce((sum, line) => sum + line.bytes, 0);
  return { total, lines };
}

/** Allocated once, at start; the system commits a page when it is first used. */
function slabLine({ slab }: Config): MemoryLine {
  return {
    bytes: slabStrideBytes(slab.size) * slab.count,
    arithmetic: `(slab.size ${writeBytes(slab.size)} + ${writeBytes(SLAB_HEADROOM_BYTES)} for headers) × slab.count ${slab.count}`,
    holder: 'slabs: everything that is read ahead or being sent',
  };
}

/** Every stream whose peer reads nothing can hold its request and one copied message, or a listing's share. */
function streamLine({ limits, stream }: Config): MemoryLine {
  const isListingMore = MIN_LISTING_BYTES > stream.firstMessage;
  const [heldBytes, held] = isListingMore
    ? [MIN_LISTING_BYTES, `${writeBytes(MIN_LISTING_BYTES)} for a listing`]
    : [stream.firstMessage, `stream.firstMessage ${writeBytes(stream.firstMessage)}`];
  return {
    bytes: (heldBytes + REQUEST_BYTES) * heldPlaces(limits.streams),
    arithmetic: `(${held} + ${writeBytes(REQUEST_BYTES)} for the request) × ${writePlaces('limits.streams', limits.streams)}`,
    holder: 'streams whose peers do not read, all at once',
  };
}

/** However many listings there are: see `ListingShare`. */
function listingLine(): MemoryLine {
  return {
    bytes: LISTING_NAMES_BYTES,
    arithmetic: writeBytes(LISTING_NAMES_BYTES),
    holder: 'names of large directories that are being listed',
  };
}

/** However many streams the requests are on. */
function exchangeLine({ chunk, limits }: Config): MemoryLine {
  const quotaBytes = exchangeQuotaBytes(chunk.maxSize);
  return {
    bytes: OPEN_REQUEST_BYTES * heldPlaces(limits.requests) + quotaBytes,
    arithmetic: `${writeBytes(OPEN_REQUEST_BYTES)} × ${writePlaces('limits.requests', limits.requests)} + ${writeBytes(quotaBytes)} for messages of packs`,
    holder: 'open requests of Exchanges, and packs that are being written',
  };
}

/** A call with a single answer holds its request; the answers are small. */
function callLine({ limits }: Config): MemoryLine {
  return {
    bytes: REQUEST_BYTES * heldPlaces(limits.calls),
    arithmetic: `${writeBytes(REQUEST_BYTES)} for the request × ${writePlaces('limits.calls', limits.calls)}`,
    holder: 'unary calls',
  };
}

/** As unary calls. */
function standingLine(): MemoryLine {
  return {
    bytes: REQUEST_BYTES * heldPlaces(MAX_STANDING_CALLS),
    arithmetic: `${writeBytes(REQUEST_BYTES)} for the request × (${MAX_STANDING_CALLS} + ${leavingPlaces(MAX_STANDING_CALLS)} that are leaving)`,
    holder: 'health watches and calls of reflection',
  };
}

function connectionLine({ limits }: Config): MemoryLine {
  return {
    bytes: CONNECTION_BYTES * limits.connections,
    arithmetic: `${writeBytes(CONNECTION_BYTES)} × limits.connections ${limits.connections}`,
    holder: 'connections, idle or busy',
  };
}

/** Those of a limit, and those that were lost and still hold something. */
export function heldPlaces(limit: number): number {
  return limit + leavingPlaces(limit);
}

function writePlaces(key: string, limit: number): string {
  return `(${key} ${limit} + ${leavingPlaces(limit)} that are leaving)`;
}

/** A worker compresses, or decompresses, one chunk at a time, outside the slab. */
function threadLine({ chunk, pool, writable }: Config): MemoryLine {
  const stateBytes = writable ? DECOMPRESSOR_STATE_BYTES : COMPRESSOR_STATE_BYTES;
  const machine = writable ? 'decompressor' : 'compressor';
  return {
    bytes: (chunk.maxSize + stateBytes) * pool.threads,
    arithmetic: `(chunk.maxSize ${writeBytes(chunk.maxSize)} + ${writeBytes(stateBytes)} for the ${machine}) × pool.threads ${pool.threads}`,
    holder: writable ? 'workers that compress or decompress' : 'workers that compress',
  };
}

/** Bytes in flight to streams that are not read, and one chunk of each slow stream. */
function uploadLine({ chunk, limits, uploads }: Config): MemoryLine {
  const followsLink = uploads.window === 0;
  const shared = followsLink ? `uploads.windowBudget ${writeBytes(uploads.windowBudget)} + ` : '';
  const eachBytes = followsLink ? MIN_WINDOW_BYTES : uploads.window;
  const each = `${followsLink ? '' : 'uploads.window '}${writeBytes(eachBytes)}`;
  return {
    bytes:
      sharedWindowBytes(uploads) +
      (eachBytes + chunk.maxSize + UPLOAD_CALL_BYTES) * heldPlaces(limits.uploadStreams),
    arithmetic: `${shared}(${each} + chunk.maxSize ${writeBytes(chunk.maxSize)} + ${writeBytes(UPLOAD_CALL_BYTES)} for headers and compressed messages) × ${writePlaces('limits.uploadStreams', limits.uploadStreams)}`,
    holder: 'uploads that arrive faster than the disk takes them',
  };
}

/**
 * Where a store without descriptors writes, a worker decompresses a whole slab before it puts the bytes into it, and
 * a slab of what arrived is kept for each job outstanding, should its thread die.
 */
function storeLine({ pool: { threads }, slab }: Config): MemoryLine {
  return {
    bytes: slab.size * (2 * threads + 1),
    arithmetic: `slab.size ${writeBytes(slab.size)} × (2 × pool.threads ${threads} + 1)`,
    holder: 'uploads to a store without descriptors',
  };
}

/** Beside the names that listings hold, which any store has. */
function objectStoreLine({ s3, writable }: Config): MemoryLine {
  const partBytes = writable ? OBJECT_PARTS_BYTES : 0;
  const parts = writable ? ` + ${writeBytes(OBJECT_PARTS_BYTES)} for parts of uploads` : '';
  return {
    bytes: STORE_REQUEST_BYTES * s3.requests + OBJECT_PAGE_BYTES * OBJECT_PAGES_AT_ONCE + partBytes,
    arithmetic: `${writeBytes(STORE_REQUEST_BYTES)} × s3.requests ${s3.requests} + ${writeBytes(OBJECT_PAGE_BYTES)} × ${OBJECT_PAGES_AT_ONCE} for pages of listings${parts}`,
    holder: 'requests to the object store',
  };
}

/** What windows that follow the link share. */
export function sharedWindowBytes({ window, windowBudget }: Config['uploads']): number {
  return window === 0 ? windowBudget : 0;
}

/** Bytes of memory that one slab takes. */
export function slabStrideBytes(slabBytes: number): number {
  return slabBytes + SLAB_HEADROOM_BYTES;
}
