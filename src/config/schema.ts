/**
 * The one schema of the server's configuration. Flags, environment variables,
 * the config file, validation, `sluice config` and docs/configuration.md are
 * all derived from it; `npm run docs:generate` writes those that are files, among
 * them the type `Config`. Relations between settings are in `relations.ts`.
 */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import {
  MAX_PROCESSES,
  MIN_CHUNK_LIMIT_BYTES,
  MIN_WINDOW_BUDGET_BYTES,
  MIN_WINDOW_BYTES,
} from '../base/limits.ts';
import { STORE_CAPABILITIES, UNKNOWN_CAPABILITIES } from '../base/store-capabilities.ts';
import { GIB, KIB, MIB } from '../base/units.ts';
import type { Config } from './config.ts';
import { availableMemoryBytes } from './memory/available-memory.ts';
import { bytes, choice, count, countOrAuto, durationMs, flag, group, live, text } from './setting-kinds.ts';

const DAY_MS = 86_400_000;

/** Half as many places where memory is short: the sum of the defaults then fits a container of 512 MiB. */
const PLACES_SHARE = availableMemoryBytes() < GIB ? 0.5 : 1;

function places(initial: number, max: number, describe: string) {
  const rule = `${initial}; ${initial / 2} with less than 1GiB of memory`;
  return live(count(initial * PLACES_SHARE, 1, max, describe, rule));
}

const schemaShape = {
  listen: text(
    '127.0.0.1:50051',
    'Where to accept calls: host:port, [ipv6]:port, :port (all addresses) or unix:/path. Port 0 picks a free one.',
  ),
  root: text(
    '.',
    'The directory to serve. s3://bucket/prefix serves what is below the prefix in a bucket of an object store (docs/object-store.md).',
  ),
  writable: flag(
    false,
    'Accept uploads and deletes. Only one writable server may serve a directory. Without this setting the directory is only read.',
  ),
  insecure: flag(false, 'Accept calls without TLS on addresses other than loopback.'),
  access: live(
    text(
      '',
      'YAML file that says who may do what (docs/access.md): tokens and other proofs of identities, groups, rules. It is read again when it changes. Without one, whoever can connect may do everything that the server does.',
    ),
  ),
  processes: countOrAuto(
    1,
    1,
    MAX_PROCESSES,
    Math.min(availableParallelism(), MAX_PROCESSES),
    'Processes that serve together, or auto: one for each processor. Connections are handed to them in turn. All settings are for the server as a whole, and each process has its share of threads, slabs, places and windows (docs/processes.md).',
  ),
  version: group({
    by: choice(
      'identity',
      ['identity', 'size-mtime', 'digest'],
      'What a version of a file is, by which a transfer can go on at another server. identity: the inode and its times; servers agree where they serve one file system. size-mtime: the size and the time of the last change; servers agree where copies keep their times, and other content of the same size and time is not noticed. digest: SHA-256 of the content; each version of a file is read once before it is first sent. See docs/several-servers.md.',
    ),
  }),
  admin: group({
    listen: text(
      '127.0.0.1:50052',
      'Where operators and their tools find metrics, probes and the page, over HTTP: an address as for listen, or off. Where the default is taken by another process, the server runs without it and warns.',
    ),
  }),
  tls: group({
    cert: live(
      text('', 'PEM file with the certificate chain of the server. Together with tls.key it turns TLS on.'),
    ),
    key: live(text('', 'PEM file with the private key of the server.')),
    clientCa: live(
      text(
        '',
        'PEM file with the authorities for client certificates. When it is set, clients are asked for one, see tls.clientCert.',
      ),
    ),
    clientCert: choice(
      'require',
      ['require', 'request'],
      'With tls.clientCa. require: every client must present a certificate. request: a client without one, or with one of another authority, is served as one without a certificate; access says what such a client may do.',
    ),
    minVersion: live(
      choice(
        '1.3',
        ['1.2', '1.3'],
        'The lowest version of TLS to accept. 1.2 is for clients that cannot speak 1.3.',
      ),
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
    niceness: count(
      10,
      0,
      19,
      'How far workers lower their scheduling priority below that of the event loop (Linux only).',
    ),
  }),
  slab: group({
    // bench one-stream, many-streams: 1 MiB costs a tenth of the rate and fairness, 256 KiB a tenth of the CPU.
    size: bytes(
      512 * KIB,
      16 * KIB,
      64 * MIB,
      'Payload bytes of one slab: the most that one job reads, and that one write sends.',
    ),
    count: count(
      64,
      4,
      65_536,
      'Slabs in the pool. slab.size × slab.count is allocated once, when the server starts.',
    ),
  }),
  chunk: group({
    size: bytes(
      256 * KIB,
      1,
      64 * MIB,
      'Bytes of a chunk before compression, for clients that do not ask for a size.',
    ),
    maxSize: bytes(
      512 * KIB,
      MIN_CHUNK_LIMIT_BYTES,
      64 * MIB,
      'The largest chunk that a client can ask for or send. At most slab.size.',
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
      'The first message of a stream, in bytes, before the peer has shown that it reads. Half of slab.size is the most that is used. A stalled stream holds at most this much heap.',
    ),
    stallTimeout: durationMs(
      60_000,
      100,
      DAY_MS,
      'A stream ends with ABORTED when its peer does not take one write within this time. A write is stream.firstMessage for a slow peer and slab.size at most.',
    ),
    stallLinger: durationMs(
      5_000,
      0,
      DAY_MS,
      'How long a stalled stream that was ended may take to deliver its status before it is reset.',
    ),
  }),
  uploads: group({
    sync: choice(
      'batched',
      ['always', 'batched', 'none'],
      'When received bytes are made durable. always: after each write to the disk. batched: after uploads.syncBytes or uploads.syncInterval, and at the end of each call. With both, acknowledged bytes survive a power cut. none: never; acknowledged bytes survive the death of the server, but perhaps not a power cut.',
    ),
    syncBytes: bytes(
      64 * MIB,
      MIB,
      16 * GIB,
      'With batched: how many bytes of one upload are made durable together.',
    ),
    syncInterval: durationMs(
      1_000,
      10,
      DAY_MS,
      'With batched: the longest that received bytes wait to be made durable.',
    ),
    window: bytes(
      0,
      0,
      64 * MIB,
      'Receive window of each upload stream: how many bytes a sender may have in flight. 0: the window follows the measured bandwidth × RTT of the link. Any other value, at least 65535, is a fixed size.',
    ),
    maxWindow: bytes(
      64 * MIB,
      MIN_WINDOW_BYTES,
      GIB,
      'The largest total of the windows of one connection, where windows follow the link. At most uploads.windowBudget.',
    ),
    windowBudget: bytes(
      128 * MIB,
      MIN_WINDOW_BUDGET_BYTES,
      64 * GIB,
      'The largest total of the windows of all connections, where windows follow the link. Each stream may have 65535 bytes beyond it.',
    ),
    expiry: durationMs(
      DAY_MS,
      1_000,
      365 * DAY_MS,
      'How long an unfinished upload is kept after its last byte, and how long a finished upload is remembered. An upload that never got a byte is discarded after a minute without a call.',
    ),
    maxSize: bytes(0, 0, Number.MAX_SAFE_INTEGER, 'The largest file that may be uploaded. 0: no limit.'),
    maxTotalSize: bytes(
      0,
      0,
      Number.MAX_SAFE_INTEGER,
      'How many bytes all unfinished uploads together may have received. Above it they get DISK_FULL. 0: no limit.',
    ),
    minFree: bytes(
      256 * MIB,
      0,
      Number.MAX_SAFE_INTEGER,
      'Free space that uploads leave on the disk. Below it they get DISK_FULL.',
    ),
    maxOpen: count(
      1_000,
      1,
      1_000_000,
      'Unfinished uploads at the same time. When there are this many, a new upload replaces one without a byte, else the emptiest one of the address that has the most. If there is none to replace, it gets RESOURCE_EXHAUSTED.',
    ),
  }),
  s3: group({
    endpoint: text(
      '',
      'Where a root in a bucket is, unless Amazon has it: the URL of a store that speaks S3, such as https://ceph.example:7480.',
    ),
    region: text(
      '',
      'The region of the bucket. Empty: that of the environment or profile of AWS, or us-east-1 where s3.endpoint is set and they have none.',
    ),
    pathStyle: flag(
      false,
      'Name the bucket in the path of a request, not in the name of the host. Most stores other than that of Amazon want this.',
    ),
    requests: count(64, 1, 4_096, 'Requests to the object store under way at the same time. Others wait.'),
    hedge: flag(
      true,
      'Ask the object store a second time for a range that is late, and take the answer that comes first. At most one read in 20 is asked for twice.',
    ),
    capabilities: text(
      UNKNOWN_CAPABILITIES,
      `What the object store does of what not every store does. auto: a writable server finds out when it starts. none, or a list of ${STORE_CAPABILITIES.join(', ')}: just this, and nothing is tried (docs/object-store.md).`,
    ),
  }),
  compression: group({
    mode: choice(
      'auto',
      ['auto', 'off'],
      'auto: compress for clients that can decompress, where the data gets smaller and the transfer faster. off: never.',
    ),
    level: count(
      1,
      1,
      9,
      'gzip level for clients that ask to have everything compressed. Level 1 is about three times as fast as 6.',
    ),
    maxLevel: count(
      6,
      1,
      9,
      'The highest gzip level that the server chooses by itself on slow links (it uses 1, 4 and 6). Other codecs may take no more worker time than this level.',
    ),
    minSize: bytes(KIB, 0, 64 * MIB, 'Files smaller than this are never compressed.'),
  }),
  limits: group({
    streams: places(
      1024,
      1_000_000,
      'Downloads and listings at the same time. When there are this many, a new one takes the place of one without progress, else of one of the address that has the most; that one ends with ABORTED. Otherwise the new one gets RESOURCE_EXHAUSTED.',
    ),
    uploadStreams: places(
      256,
      100_000,
      'UploadFile calls at the same time. A full server gives places away as for limits.streams.',
    ),
    calls: places(
      512,
      1_000_000,
      'Unary calls at the same time, health checks included. A full server gives places away as for limits.streams. Health watches and reflection have 64 places of their own.',
    ),
    requests: places(
      8192,
      1_000_000,
      'Requests of Exchange calls that are open at the same time, at most 1024 of one call. A full server gives places away as for limits.streams.',
    ),
    connections: places(
      1024,
      1_000_000,
      'Connections at the same time. A full server gives the place of an idle connection to a new one, else closes the new one at once.',
    ),
    streamsPerConnection: count(
      128,
      1,
      100_000,
      'Calls at the same time on one connection (HTTP/2 MAX_CONCURRENT_STREAMS).',
    ),
    trustedProxies: text(
      '',
      'Proxies that many clients come through: addresses or CIDR blocks, separated by commas. Each connection or call from there counts as an address of its own.',
    ),
  }),
  connection: group({
    maxAge: durationMs(
      0,
      0,
      365 * DAY_MS,
      'Close a connection after this long, 10 % more or less, so that load spreads over replicas and certificates are checked again. Clients resume by themselves. 0: never.',
    ),
    maxAgeGrace: durationMs(
      60_000,
      0,
      365 * DAY_MS,
      'How long running calls may take to finish when their connection has reached connection.maxAge. Then they end, and clients resume on another connection.',
    ),
    maxIdle: durationMs(
      300_000,
      0,
      365 * DAY_MS,
      'Close a connection without calls after this long. 0: never. Clients reconnect by themselves.',
    ),
    keepaliveTime: durationMs(
      30_000,
      1_000,
      DAY_MS,
      'How long after the answer to one ping a connection is pinged again.',
    ),
    keepaliveTimeout: durationMs(
      60_000,
      1_000,
      DAY_MS,
      'Close the connection when a ping is not answered within this time. A ping queues behind data, so keep this far above the time to drain a window.',
    ),
  }),
  shutdown: group({
    pause: live(
      durationMs(
        0,
        0,
        DAY_MS,
        'How long the server keeps serving after SIGTERM or SIGINT while its health check says NOT_SERVING, so that load balancers stop sending clients before connections close.',
      ),
    ),
    grace: live(
      durationMs(
        30_000,
        0,
        DAY_MS,
        'How long running transfers may take to finish after SIGTERM or SIGINT, and after shutdown.pause.',
      ),
    ),
  }),
  log: group({
    level: live(
      choice(
        'info',
        ['debug', 'info', 'warn', 'error', 'silent'],
        'The lowest level to log. info has one line for each request.',
      ),
    ),
    format: choice('auto', ['auto', 'json', 'pretty'], 'auto: pretty on a terminal, JSON lines elsewhere.'),
  }),
};

/** Validates a whole configuration and fills in the defaults; unknown keys are refused. */
export const configSchema = z.strictObject(schemaShape) satisfies z.ZodType<Config>;

export type { Config };
