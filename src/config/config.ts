/** Generated from schema.ts by `npm run docs:generate`; do not edit. */

/** A complete, valid configuration, as `loadConfig` makes it. Sizes are bytes, durations milliseconds. */
export interface Config {
  /** Where to accept calls: host:port, [ipv6]:port, :port (all addresses) or unix:/path. Port 0 picks a free one. (default 127.0.0.1:50051) */
  listen: string;
  /** The directory to serve. (default .) */
  root: string;
  /** Accept uploads and deletes, as the only server that does for this directory. Without it the directory is only read. (default false) */
  writable: boolean;
  /** Accept calls without TLS on addresses other than loopback. (default false) */
  insecure: boolean;
  tls: {
    /** PEM file with the certificate chain of the server. With tls.key it turns TLS on. (default empty) */
    cert: string;
    /** PEM file with the private key of the server. (default empty) */
    key: string;
    /** PEM file with the authorities for client certificates. Set, every client must present one. (default empty) */
    clientCa: string;
  };
  pool: {
    /** Worker threads that read, checksum and compress. (1 to 128; default one for each processor, at most 16) */
    threads: number;
    /** How far workers lower their own priority below the event loop (Linux only). (0 to 19; default 10) */
    niceness: number;
  };
  slab: {
    /** Payload bytes of one slab: the most that one job reads and one write sends. (bytes, 16KiB to 64MiB; default 512KiB) */
    size: number;
    /** Slabs in the pool. slab.size × slab.count is allocated once, at start. (4 to 65536; default 64) */
    count: number;
  };
  chunk: {
    /** Bytes of a chunk before compression, when the client does not ask for a size. (bytes, 1 to 64MiB; default 256KiB) */
    size: number;
    /** The most a client can ask for, and may send. At most slab.size. (bytes, 1KiB to 64MiB; default 512KiB) */
    maxSize: number;
  };
  stream: {
    /** Jobs of one stream that may be running or ready to send at the same time. (1 to 64; default 3) */
    jobsInFlight: number;
    /** What a stream may send before its peer has shown that it reads, in bytes: at most slab.size, and no more than half of it is used. The most heap a stalled stream holds. (bytes, 1KiB to 64MiB; default 64KiB) */
    firstMessage: number;
    /** A stream whose peer has not taken one write (stream.firstMessage for a slow peer, slab.size at most) in this time is ended with ABORTED. (milliseconds, 100ms to 24h; default 1m) */
    stallTimeout: number;
    /** How long an ended stalled stream may still deliver its status before it is reset. (milliseconds, 0 to 24h; default 5s) */
    stallLinger: number;
  };
  uploads: {
    /** When received bytes are made durable. always: at once, behind each write to the disk; batched: after uploads.syncBytes or uploads.syncInterval, and at the end of each call; what was acknowledged survives power loss with both. none: never; a killed server loses nothing, a power cut may. (default batched) */
    sync: 'always' | 'batched' | 'none';
    /** batched: bytes of one upload that are made durable together. (bytes, 1MiB to 16GiB; default 64MiB) */
    syncBytes: number;
    /** batched: the longest that received bytes wait for it. (milliseconds, 10ms to 24h; default 1s) */
    syncInterval: number;
    /** Receive window of each stream: what a sender may have on its way. 0: as much as the link holds, found while bytes arrive. A size of its own, from 65535 on, stays as it is. (bytes, 0 to 64MiB; default 0) */
    window: number;
    /** The most that windows which follow the link get on one connection. At most uploads.windowBudget. (bytes, 65535 to 1GiB; default 64MiB) */
    maxWindow: number;
    /** The most that windows which follow the link get on all connections together; each stream may have 65535 bytes beyond it. (bytes, 1MiB to 64GiB; default 128MiB) */
    windowBudget: number;
    /** An upload that got no byte for this long is discarded; so is the memory of a finished one. An upload that never got a byte is discarded after a minute without a call. (milliseconds, 1s to 8760h; default 24h) */
    expiry: number;
    /** The largest file an upload may become; 0 for no limit. (bytes, 0 to 9007199254740991; default 0) */
    maxSize: number;
    /** What all unfinished uploads may have received together, in bytes; beyond it they get DISK_FULL. 0 for no limit. (bytes, 0 to 9007199254740991; default 0) */
    maxTotalSize: number;
    /** Free space that uploads leave on the disk; without it they get RESOURCE_EXHAUSTED. (bytes, 0 to 9007199254740991; default 256MiB) */
    minFree: number;
    /** Unfinished uploads at the same time. For one more, one without a byte is discarded, else the emptiest of the address with the most, else it gets RESOURCE_EXHAUSTED. (1 to 1000000; default 1000) */
    maxOpen: number;
  };
  compression: {
    /** auto: compress what the client can decompress, what gets smaller and where it gets there sooner. off: never. (default auto) */
    mode: 'auto' | 'off';
    /** gzip level for clients that ask for compression always. 1 is about three times as fast as 6. (1 to 9; default 1) */
    level: number;
    /** The gzip level up to which the server goes by itself on slow links (it uses 1, 4 and 6); other codecs get no more of a worker than that. (1 to 9; default 6) */
    maxLevel: number;
    /** Files smaller than this are never compressed. (bytes, 0 to 64MiB; default 1KiB) */
    minSize: number;
  };
  limits: {
    /** Downloads and listings at the same time. When all places are taken, one without progress is ended with ABORTED for a new one, else one of the address with the most, else the new one gets RESOURCE_EXHAUSTED. (1 to 1000000; default 1024; 512 with less than 1GiB of memory) */
    streams: number;
    /** UploadFile calls at the same time; places go as those of limits.streams. (1 to 100000; default 256; 128 with less than 1GiB of memory) */
    uploadStreams: number;
    /** Calls with a single answer at the same time, health checks included; places go as those of limits.streams. Health watches and reflection have 64 places of their own. (1 to 1000000; default 512; 256 with less than 1GiB of memory) */
    calls: number;
    /** Connections at the same time; further ones are closed at once. (1 to 1000000; default 1024; 512 with less than 1GiB of memory) */
    connections: number;
    /** Calls at the same time on one connection (HTTP/2 MAX_CONCURRENT_STREAMS). (1 to 100000; default 256) */
    streamsPerConnection: number;
    /** Addresses or CIDR blocks, separated by commas, of proxies that many clients come through: each connection or call from there counts as an address of its own. (default empty) */
    trustedProxies: string;
  };
  connection: {
    /** Close a connection after this long, so that load spreads over replicas; 0 never. (milliseconds, 0 to 8760h; default 0) */
    maxAge: number;
    /** What calls in flight get to finish when their connection is too old. (milliseconds, 0 to 8760h; default 1m) */
    maxAgeGrace: number;
    /** Close a connection without calls after this long; 0 never. Clients connect again by themselves. (milliseconds, 0 to 8760h; default 5m) */
    maxIdle: number;
    /** Ping a silent peer after this long. (milliseconds, 1s to 24h; default 30s) */
    keepaliveTime: number;
    /** Close the connection when a ping has no answer for this long. A ping waits behind data: keep it far above the time to drain a window. (milliseconds, 1s to 24h; default 1m) */
    keepaliveTimeout: number;
  };
  shutdown: {
    /** What transfers in flight get to finish after SIGTERM or SIGINT. (milliseconds, 0 to 24h; default 30s) */
    grace: number;
  };
  log: {
    /** The least important messages to log. info has a line for each request. (default info) */
    level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
    /** auto: pretty on a terminal, JSON lines elsewhere. (default auto) */
    format: 'auto' | 'json' | 'pretty';
  };
}

/**
 * Values of settings by key. Numbers are bytes and milliseconds; text is read as
 * a flag's is (`64KiB`, `30s`). What is undefined is not set.
 */
export interface SettingValues {
  /** Where to accept calls: host:port, [ipv6]:port, :port (all addresses) or unix:/path. Port 0 picks a free one. (default 127.0.0.1:50051) */
  readonly listen?: string | undefined;
  /** The directory to serve. (default .) */
  readonly root?: string | undefined;
  /** Accept uploads and deletes, as the only server that does for this directory. Without it the directory is only read. (default false) */
  readonly writable?: boolean | string | undefined;
  /** Accept calls without TLS on addresses other than loopback. (default false) */
  readonly insecure?: boolean | string | undefined;
  /** PEM file with the certificate chain of the server. With tls.key it turns TLS on. (default empty) */
  readonly 'tls.cert'?: string | undefined;
  /** PEM file with the private key of the server. (default empty) */
  readonly 'tls.key'?: string | undefined;
  /** PEM file with the authorities for client certificates. Set, every client must present one. (default empty) */
  readonly 'tls.clientCa'?: string | undefined;
  /** Worker threads that read, checksum and compress. (1 to 128; default one for each processor, at most 16) */
  readonly 'pool.threads'?: number | string | undefined;
  /** How far workers lower their own priority below the event loop (Linux only). (0 to 19; default 10) */
  readonly 'pool.niceness'?: number | string | undefined;
  /** Payload bytes of one slab: the most that one job reads and one write sends. (bytes, 16KiB to 64MiB; default 512KiB) */
  readonly 'slab.size'?: number | string | undefined;
  /** Slabs in the pool. slab.size × slab.count is allocated once, at start. (4 to 65536; default 64) */
  readonly 'slab.count'?: number | string | undefined;
  /** Bytes of a chunk before compression, when the client does not ask for a size. (bytes, 1 to 64MiB; default 256KiB) */
  readonly 'chunk.size'?: number | string | undefined;
  /** The most a client can ask for, and may send. At most slab.size. (bytes, 1KiB to 64MiB; default 512KiB) */
  readonly 'chunk.maxSize'?: number | string | undefined;
  /** Jobs of one stream that may be running or ready to send at the same time. (1 to 64; default 3) */
  readonly 'stream.jobsInFlight'?: number | string | undefined;
  /** What a stream may send before its peer has shown that it reads, in bytes: at most slab.size, and no more than half of it is used. The most heap a stalled stream holds. (bytes, 1KiB to 64MiB; default 64KiB) */
  readonly 'stream.firstMessage'?: number | string | undefined;
  /** A stream whose peer has not taken one write (stream.firstMessage for a slow peer, slab.size at most) in this time is ended with ABORTED. (milliseconds, 100ms to 24h; default 1m) */
  readonly 'stream.stallTimeout'?: number | string | undefined;
  /** How long an ended stalled stream may still deliver its status before it is reset. (milliseconds, 0 to 24h; default 5s) */
  readonly 'stream.stallLinger'?: number | string | undefined;
  /** When received bytes are made durable. always: at once, behind each write to the disk; batched: after uploads.syncBytes or uploads.syncInterval, and at the end of each call; what was acknowledged survives power loss with both. none: never; a killed server loses nothing, a power cut may. (default batched) */
  readonly 'uploads.sync'?: 'always' | 'batched' | 'none' | undefined;
  /** batched: bytes of one upload that are made durable together. (bytes, 1MiB to 16GiB; default 64MiB) */
  readonly 'uploads.syncBytes'?: number | string | undefined;
  /** batched: the longest that received bytes wait for it. (milliseconds, 10ms to 24h; default 1s) */
  readonly 'uploads.syncInterval'?: number | string | undefined;
  /** Receive window of each stream: what a sender may have on its way. 0: as much as the link holds, found while bytes arrive. A size of its own, from 65535 on, stays as it is. (bytes, 0 to 64MiB; default 0) */
  readonly 'uploads.window'?: number | string | undefined;
  /** The most that windows which follow the link get on one connection. At most uploads.windowBudget. (bytes, 65535 to 1GiB; default 64MiB) */
  readonly 'uploads.maxWindow'?: number | string | undefined;
  /** The most that windows which follow the link get on all connections together; each stream may have 65535 bytes beyond it. (bytes, 1MiB to 64GiB; default 128MiB) */
  readonly 'uploads.windowBudget'?: number | string | undefined;
  /** An upload that got no byte for this long is discarded; so is the memory of a finished one. An upload that never got a byte is discarded after a minute without a call. (milliseconds, 1s to 8760h; default 24h) */
  readonly 'uploads.expiry'?: number | string | undefined;
  /** The largest file an upload may become; 0 for no limit. (bytes, 0 to 9007199254740991; default 0) */
  readonly 'uploads.maxSize'?: number | string | undefined;
  /** What all unfinished uploads may have received together, in bytes; beyond it they get DISK_FULL. 0 for no limit. (bytes, 0 to 9007199254740991; default 0) */
  readonly 'uploads.maxTotalSize'?: number | string | undefined;
  /** Free space that uploads leave on the disk; without it they get RESOURCE_EXHAUSTED. (bytes, 0 to 9007199254740991; default 256MiB) */
  readonly 'uploads.minFree'?: number | string | undefined;
  /** Unfinished uploads at the same time. For one more, one without a byte is discarded, else the emptiest of the address with the most, else it gets RESOURCE_EXHAUSTED. (1 to 1000000; default 1000) */
  readonly 'uploads.maxOpen'?: number | string | undefined;
  /** auto: compress what the client can decompress, what gets smaller and where it gets there sooner. off: never. (default auto) */
  readonly 'compression.mode'?: 'auto' | 'off' | undefined;
  /** gzip level for clients that ask for compression always. 1 is about three times as fast as 6. (1 to 9; default 1) */
  readonly 'compression.level'?: number | string | undefined;
  /** The gzip level up to which the server goes by itself on slow links (it uses 1, 4 and 6); other codecs get no more of a worker than that. (1 to 9; default 6) */
  readonly 'compression.maxLevel'?: number | string | undefined;
  /** Files smaller than this are never compressed. (bytes, 0 to 64MiB; default 1KiB) */
  readonly 'compression.minSize'?: number | string | undefined;
  /** Downloads and listings at the same time. When all places are taken, one without progress is ended with ABORTED for a new one, else one of the address with the most, else the new one gets RESOURCE_EXHAUSTED. (1 to 1000000; default 1024; 512 with less than 1GiB of memory) */
  readonly 'limits.streams'?: number | string | undefined;
  /** UploadFile calls at the same time; places go as those of limits.streams. (1 to 100000; default 256; 128 with less than 1GiB of memory) */
  readonly 'limits.uploadStreams'?: number | string | undefined;
  /** Calls with a single answer at the same time, health checks included; places go as those of limits.streams. Health watches and reflection have 64 places of their own. (1 to 1000000; default 512; 256 with less than 1GiB of memory) */
  readonly 'limits.calls'?: number | string | undefined;
  /** Connections at the same time; further ones are closed at once. (1 to 1000000; default 1024; 512 with less than 1GiB of memory) */
  readonly 'limits.connections'?: number | string | undefined;
  /** Calls at the same time on one connection (HTTP/2 MAX_CONCURRENT_STREAMS). (1 to 100000; default 256) */
  readonly 'limits.streamsPerConnection'?: number | string | undefined;
  /** Addresses or CIDR blocks, separated by commas, of proxies that many clients come through: each connection or call from there counts as an address of its own. (default empty) */
  readonly 'limits.trustedProxies'?: string | undefined;
  /** Close a connection after this long, so that load spreads over replicas; 0 never. (milliseconds, 0 to 8760h; default 0) */
  readonly 'connection.maxAge'?: number | string | undefined;
  /** What calls in flight get to finish when their connection is too old. (milliseconds, 0 to 8760h; default 1m) */
  readonly 'connection.maxAgeGrace'?: number | string | undefined;
  /** Close a connection without calls after this long; 0 never. Clients connect again by themselves. (milliseconds, 0 to 8760h; default 5m) */
  readonly 'connection.maxIdle'?: number | string | undefined;
  /** Ping a silent peer after this long. (milliseconds, 1s to 24h; default 30s) */
  readonly 'connection.keepaliveTime'?: number | string | undefined;
  /** Close the connection when a ping has no answer for this long. A ping waits behind data: keep it far above the time to drain a window. (milliseconds, 1s to 24h; default 1m) */
  readonly 'connection.keepaliveTimeout'?: number | string | undefined;
  /** What transfers in flight get to finish after SIGTERM or SIGINT. (milliseconds, 0 to 24h; default 30s) */
  readonly 'shutdown.grace'?: number | string | undefined;
  /** The least important messages to log. info has a line for each request. (default info) */
  readonly 'log.level'?: 'debug' | 'info' | 'warn' | 'error' | 'silent' | undefined;
  /** auto: pretty on a terminal, JSON lines elsewhere. (default auto) */
  readonly 'log.format'?: 'auto' | 'json' | 'pretty' | undefined;
}
