/**
 * The one schema of the server's configuration. Flags, environment variables,
 * the config file, validation, `sluice config` and docs/configuration.md are
 * all derived from it; `npm run docs:generate` writes those that are files, among
 * them the type `Config`. Relations between settings are in `relations.ts`.
 */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { LEAST_CHUNK_LIMIT_BYTES, LEAST_WINDOW_BUDGET_BYTES, LEAST_WINDOW_BYTES } from '../base/limits.ts';
import { GIB, KIB, MIB } from '../base/units.ts';
import { availableMemoryBytes } from './available-memory.ts';
import type { Config } from './config.ts';
import { bytes, choice, count, durationMs, flag, group, text } from './setting-kinds.ts';

const DAY_MS = 86_400_000;

/** Half as many places where memory is short: the sum of the defaults then fits a container of 512 MiB. */
const PLACES_SHARE = availableMemoryBytes() < GIB ? 0.5 : 1;

function places(initial: number, max: number, describe: string) {
  const rule = `${initial}; ${initial / 2} with less than 1GiB of memory`;
  return count(initial * PLACES_SHARE, 1, max, describe, rule);
}

const schemaShape = {
  listen: text(
    '127.0.0.1:50051',
    'Where to accept calls: host:port, [ipv6]:port, :port (all addresses) or unix:/path. Port 0 picks a free one.',
  ),
  root: text('.', 'The directory to serve.'),
  writable: flag(
    false,
    'Accept uploads and deletes, as the only server that does for this directory. Without it the directory is only read.',
  ),
  insecure: flag(false, 'Accept calls without TLS on addresses other than loopback.'),
  tls: group({
    cert: text('', 'PEM file with the certificate chain of the server. With tls.key it turns TLS on.'),
    key: text('', 'PEM file with the private key of the server.'),
    clientCa: text(
      '',
      'PEM file with the authorities for client certificates. Set, every client must present one.',
    ),
  }),
  pool: group({
    threads: count(
      Math.min(availableParallelism(), 16),
      1,
      128,
      'Worker threads that read, checksum and compress.',
      'one for each processor, at most 16',
    ),
    niceness: count(10, 0, 19, 'How far workers lower their own priority below the event loop (Linux only).'),
  }),
  slab: group({
    // bench one-stream, many-streams: 1 MiB costs a tenth of the rate and fairness, 256 KiB a tenth of the CPU.
    size: bytes(
      512 * KIB,
      16 * KIB,
      64 * MIB,
      'Payload bytes of one slab: the most that one job reads and one write sends.',
    ),
    count: count(64, 4, 65_536, 'Slabs in the pool. slab.size × slab.count is allocated once, at start.'),
  }),
  chunk: group({
    size: bytes(
      256 * KIB,
      1,
      64 * MIB,
      'Bytes of a chunk before compression, when the client does not ask for a size.',
    ),
    maxSize: bytes(
      512 * KIB,
      LEAST_CHUNK_LIMIT_BYTES,
      64 * MIB,
      'The most a client can ask for, and may send. At most slab.size.',
    ),
  }),
  stream: group({
    jobsInFlight: count(
      3,
      1,
      64,
      'Jobs of one stream that may be running or ready to send at the same time.',
    ),
    firstMessage: bytes(
      64 * KIB,
      KIB,
      64 * MIB,
      'What a stream may send before its peer has shown that it reads, in bytes: at most slab.size, and no more than half of it is used. The most heap a stalled stream holds.',
    ),
    stallTimeout: durationMs(
      60_000,
      100,
      DAY_MS,
      'A stream whose peer has not taken one write (stream.firstMessage for a slow peer, slab.size at most) in this time is ended with ABORTED.',
    ),
    stallLinger: durationMs(
      5_000,
      0,
      DAY_MS,
      'How long an ended stalled stream may still deliver its status before it is reset.',
    ),
  }),
  uploads: group({
    sync: choice(
      'batched',
      ['always', 'batched', 'none'],
      'When received bytes are made durable. always: at once, behind each write to the disk; batched: after uploads.syncBytes or uploads.syncInterval, and at the end of each call; what was acknowledged survives power loss with both. none: never; a killed server loses nothing, a power cut may.',
    ),
    syncBytes: bytes(64 * MIB, MIB, 16 * GIB, 'batched: bytes of one upload that are made durable together.'),
    syncInterval: durationMs(1_000, 10, DAY_MS, 'batched: the longest that received bytes wait for it.'),
    window: bytes(
      0,
      0,
      64 * MIB,
      'Receive window of each stream: what a sender may have on its way. 0: as much as the link holds, found while bytes arrive. A size of its own, from 65535 on, stays as it is.',
    ),
    maxWindow: bytes(
      64 * MIB,
      LEAST_WINDOW_BYTES,
      GIB,
      'The most that windows which follow the link get on one connection. At most uploads.windowBudget.',
    ),
    windowBudget: bytes(
      128 * MIB,
      LEAST_WINDOW_BUDGET_BYTES,
      64 * GIB,
      'The most that windows which follow the link get on all connections together; each stream may have 65535 bytes beyond it.',
    ),
    expiry: durationMs(
      DAY_MS,
      1_000,
      365 * DAY_MS,
      'An upload that got no byte for this long is discarded; so is the memory of a finished one. An upload that never got a byte is discarded after a minute without a call.',
    ),
    maxSize: bytes(0, 0, Number.MAX_SAFE_INTEGER, 'The largest file an upload may become; 0 for no limit.'),
    maxTotalSize: bytes(
      0,
      0,
      Number.MAX_SAFE_INTEGER,
      'What all unfinished uploads may have received together, in bytes; beyond it they get DISK_FULL. 0 for no limit.',
    ),
    minFree: bytes(
      256 * MIB,
      0,
      Number.MAX_SAFE_INTEGER,
      'Free space that uploads leave on the disk; without it they get RESOURCE_EXHAUSTED.',
    ),
    maxOpen: count(
      1_000,
      1,
      1_000_000,
      'Unfinished uploads at the same time. For one more, one without a byte is discarded, else the emptiest of the address with the most, else it gets RESOURCE_EXHAUSTED.',
    ),
  }),
  compression: group({
    mode: choice(
      'auto',
      ['auto', 'off'],
      'auto: compress what the client can decompress, what gets smaller and where it gets there sooner. off: never.',
    ),
    level: count(
      1,
      1,
      9,
      'gzip level for clients that ask for compression always. 1 is about three times as fast as 6.',
    ),
    maxLevel: count(
      6,
      1,
      9,
      'The gzip level up to which the server goes by itself on slow links (it uses 1, 4 and 6); other codecs get no more of a worker than that.',
    ),
    minSize: bytes(KIB, 0, 64 * MIB, 'Files smaller than this are never compressed.'),
  }),
  limits: group({
    streams: places(
      1024,
      1_000_000,
      'Downloads and listings at the same time. When all places are taken, one without progress is ended with ABORTED for a new one, else one of the address with the most, else the new one gets RESOURCE_EXHAUSTED.',
    ),
    uploadStreams: places(
      256,
      100_000,
      'UploadFile calls at the same time; places go as those of limits.streams.',
    ),
    calls: places(
      512,
      1_000_000,
      'Calls with a single answer at the same time, health checks included; places go as those of limits.streams. Health watches and reflection have 64 places of their own.',
    ),
    connections: places(1024, 1_000_000, 'Connections at the same time; further ones are closed at once.'),
    streamsPerConnection: count(
      256,
      1,
      100_000,
      'Calls at the same time on one connection (HTTP/2 MAX_CONCURRENT_STREAMS).',
    ),
    trustedProxies: text(
      '',
      'Addresses or CIDR blocks, separated by commas, of proxies that many clients come through: each connection or call from there counts as an address of its own.',
    ),
  }),
  connection: group({
    maxAge: durationMs(
      0,
      0,
      365 * DAY_MS,
      'Close a connection after this long, so that load spreads over replicas; 0 never.',
    ),
    maxAgeGrace: durationMs(
      60_000,
      0,
      365 * DAY_MS,
      'What calls in flight get to finish when their connection is too old.',
    ),
    maxIdle: durationMs(
      300_000,
      0,
      365 * DAY_MS,
      'Close a connection without calls after this long; 0 never. Clients connect again by themselves.',
    ),
    keepaliveTime: durationMs(30_000, 1_000, DAY_MS, 'Ping a silent peer after this long.'),
    keepaliveTimeout: durationMs(
      60_000,
      1_000,
      DAY_MS,
      'Close the connection when a ping has no answer for this long. A ping waits behind data: keep it far above the time to drain a window.',
    ),
  }),
  shutdown: group({
    grace: durationMs(30_000, 0, DAY_MS, 'What transfers in flight get to finish after SIGTERM or SIGINT.'),
  }),
  log: group({
    level: choice(
      'info',
      ['debug', 'info', 'warn', 'error', 'silent'],
      'The least important messages to log. info has a line for each request.',
    ),
    format: choice('auto', ['auto', 'json', 'pretty'], 'auto: pretty on a terminal, JSON lines elsewhere.'),
  }),
};

/** Validates a whole configuration and fills in the defaults; unknown keys are refused. */
export const configSchema = z.strictObject(schemaShape) satisfies z.ZodType<Config>;

export type { Config };
