/** Generated from schema.ts by `npm run docs:generate`; do not edit. */

/** A complete, valid configuration, as `loadConfig` makes it. Sizes are bytes, durations milliseconds. */
export interface Config {
  /** Where to accept calls: host:port, [ipv6]:port, :port (all addresses) or unix:/path. Port 0 picks a free one. (default 127.0.0.1:50051) */
  listen: string;
  /** The directory to serve. s3://bucket/prefix serves what is below the prefix in a bucket of an object store (docs/object-store.md). (default .) */
  root: string;
  /** Accept uploads and deletes. Only one writable server may serve a directory. Without this setting the directory is only read. (default false) */
  writable: boolean;
  /** Accept calls without TLS on addresses other than loopback. (default false) */
  insecure: boolean;
  /** YAML file that says who may do what (docs/access.md): tokens and other proofs of identities, groups, rules. It is read again when it changes. Without one, whoever can connect may do everything that the server does. (default empty) */
  access: string;
  /** Processes that serve together, or auto: one for each processor. Connections are handed to them in turn. All settings are for the server as a whole, and each process has its share of threads, slabs, places and windows (docs/processes.md). (1 to 64; default 1) */
  processes: number;
  version: {
    /** What a version of a file is, by which a transfer can go on at another server. identity: the inode and its times; servers agree where they serve one file system. size-mtime: the size and the time of the last change; servers agree where copies keep their times, and other content of the same size and time is not noticed. digest: SHA-256 of the content; each version of a file is read once before it is first sent. See docs/several-servers.md. (default identity) */
    by: 'identity' | 'size-mtime' | 'digest';
  };
  admin: {
    /** Where operators and their tools find metrics, probes and the page, over HTTP: an address as for listen, or off. Where the default is taken by another process, the server runs without it and warns. (default 127.0.0.1:50052) */
    listen: string;
  };
  tls: {
    /** PEM file with the certificate chain of the server. Together with tls.key it turns TLS on. (default empty) */
    cert: string;
    /** PEM file with the private key of the server. (default empty) */
    key: string;
    /** PEM file with the authorities for client certificates. When it is set, clients are asked for one, see tls.clientCert. (default empty) */
    clientCa: string;
    /** With tls.clientCa. require: every client must present a certificate. request: a client without one, or with one of another authority, is served as one without a certificate; access says what such a client may do. (default require) */
    clientCert: 'require' | 'request';
    /** The lowest version of TLS to accept. 1.2 is for clients that cannot speak 1.3. (default 1.3) */
    minVersion: '1.2' | '1.3';
  };
  pool: {
    /** Worker threads that read, checksum and compress. (1 to 128; default one for each processor, at most 16) */
    threads: number;
    /** How far workers lower their scheduling priority below that of the event loop (Linux only). (0 to 19; default 10) */
    niceness: number;
  };
  slab: {
    /** Payload bytes of one slab: the most that one job reads, and that one write sends. (bytes, 16KiB to 64MiB; default 512KiB) */
    size: number;
    /** Slabs in the pool. slab.size × slab.count is allocated once, when the server starts. (4 to 65536; default 64) */
    count: number;
  };
  chunk: {
    /** Bytes of a chunk before compression, for clients that do not ask for a size. (bytes, 1 to 64MiB; default 256KiB) */
    size: number;
    /** The largest chunk that a client can ask for or send. At most slab.size. (bytes, 1KiB to 64MiB; default 512KiB) */
    maxSize: number;
  };
  stream: {
    /** Jobs of one stream that may be running or ready to send at the same time. (1 to 64; default 3) */
    jobsInFlight: number;
    /** The first message of a stream, in bytes, before the peer has shown that it reads. Half of slab.size is the most that is used. A stalled stream holds at most this much heap. (bytes, 1KiB to 64MiB; default 64KiB) */
    firstMessage: number;
    /** A stream ends with ABORTED when its peer does not take one write within this time. A write is stream.firstMessage for a slow peer and slab.size at most. (milliseconds, 100ms to 24h; default 1m) */
    stallTimeout: number;
    /** How long a stalled stream that was ended may take to deliver its status before it is reset. (milliseconds, 0 to 24h; default 5s) */
    stallLinger: number;
  };
  uploads: {
    /** When received bytes are made durable. always: after each write to the disk. batched: after uploads.syncBytes or uploads.syncInterval, and at the end of each call. With both, acknowledged bytes survive a power cut. none: never; acknowledged bytes survive the death of the server, but perhaps not a power cut. (default batched) */
    sync: 'always' | 'batched' | 'none';
    /** With batched: how many bytes of one upload are made durable together. (bytes, 1MiB to 16GiB; default 64MiB) */
    syncBytes: number;
    /** With batched: the longest that received bytes wait to be made durable. (milliseconds, 10ms to 24h; default 1s) */
    syncInterval: number;
    /** Receive window of each upload stream: how many bytes a sender may have in flight. 0: the window follows the measured bandwidth × RTT of the link. Any other value, at least 65535, is a fixed size. (bytes, 0 to 64MiB; default 0) */
    window: number;
    /** The largest total of the windows of one connection, where windows follow the link. At most uploads.windowBudget. (bytes, 65535 to 1GiB; default 64MiB) */
    maxWindow: number;
    /** The largest total of the windows of all connections, where windows follow the link. Each stream may have 65535 bytes beyond it. (bytes, 1MiB to 64GiB; default 128MiB) */
    windowBudget: number;
    /** How long an unfinished upload is kept after its last byte, and how long a finished upload is remembered. An upload that never got a byte is discarded after a minute without a call. (milliseconds, 1s to 8760h; default 24h) */
    expiry: number;
    /** The largest file that may be uploaded. 0: no limit. (bytes, 0 to 9007199254740991; default 0) */
    maxSize: number;
    /** How many bytes all unfinished uploads together may have received. Above it they get DISK_FULL. 0: no limit. (bytes, 0 to 9007199254740991; default 0) */
    maxTotalSize: number;
    /** Free space that uploads leave on the disk. Below it they get DISK_FULL. (bytes, 0 to 9007199254740991; default 256MiB) */
    minFree: number;
    /** Unfinished uploads at the same time. When there are this many, a new upload replaces one without a byte, else the emptiest one of the address that has the most. If there is none to replace, it gets RESOURCE_EXHAUSTED. (1 to 1000000; default 1000) */
    maxOpen: number;
  };
  s3: {
    /** Where a root in a bucket is, unless Amazon has it: the URL of a store that speaks S3, such as https://ceph.example:7480. (default empty) */
    endpoint: string;
    /** The region of the bucket. Empty: that of the environment or profile of AWS, or us-east-1 where s3.endpoint is set and they have none. (default empty) */
    region: string;
    /** Name the bucket in the path of a request, not in the name of the host. Most stores other than that of Amazon want this. (default false) */
    pathStyle: boolean;
    /** Requests to the object store under way at the same time. Others wait. (1 to 4096; default 64) */
    requests: number;
    /** Ask the object store a second time for a range that is late, and take the answer that comes first. At most one read in 20 is asked for twice. (default true) */
    hedge: boolean;
    /** What the object store does of what not every store does. auto: a writable server finds out when it starts. none, or a list of put-if-match, put-if-match-unquoted, delete-if-match, complete-conditions, checksums: just this, and nothing is tried (docs/object-store.md). (default auto) */
    capabilities: string;
  };
  compression: {
    /** auto: compress for clients that can decompress, where the data gets smaller and the transfer faster. off: never. (default auto) */
    mode: 'auto' | 'off';
    /** gzip level for clients that ask to have everything compressed. Level 1 is about three times as fast as 6. (1 to 9; default 1) */
    level: number;
    /** The highest gzip level that the server chooses by itself on slow links (it uses 1, 4 and 6). Other codecs may take no more worker time than this level. (1 to 9; default 6) */
    maxLevel: number;
    /** Files smaller than this are never compressed. (bytes, 0 to 64MiB; default 1KiB) */
    minSize: number;
  };
  limits: {
    /** Downloads and listings at the same time. When there are this many, a new one takes the place of one without progress, else of one of the address that has the most; that one ends with ABORTED. Otherwise the new one gets RESOURCE_EXHAUSTED. (1 to 1000000; default 1024; 512 with less than 1GiB of memory) */
    streams: number;
    /** UploadFile calls at the same time. A full server gives places away as for limits.streams. (1 to 100000; default 256; 128 with less than 1GiB of memory) */
    uploadStreams: number;
    /** Unary calls at the same time, health checks included. A full server gives places away as for limits.streams. Health watches and reflection have 64 places of their own. (1 to 1000000; default 512; 256 with less than 1GiB of memory) */
    calls: number;
    /** Requests of Exchange calls that are open at the same time, at most 1024 of one call. A full server gives places away as for limits.streams. (1 to 1000000; default 8192; 4096 with less than 1GiB of memory) */
    requests: number;
    /** Connections at the same time. A full server gives the place of an idle connection to a new one, else closes the new one at once. (1 to 1000000; default 1024; 512 with less than 1GiB of memory) */
    connections: number;
    /** Calls at the same time on one connection (HTTP/2 MAX_CONCURRENT_STREAMS). (1 to 100000; default 128) */
    streamsPerConnection: number;
    /** Proxies that many clients come through: addresses or CIDR blocks, separated by commas. Each connection or call from there counts as an address of its own. (default empty) */
    trustedProxies: string;
  };
  connection: {
    /** Close a connection after this long, 10 % more or less, so that load spreads over replicas and certificates are checked again. Clients resume by themselves. 0: never. (milliseconds, 0 to 8760h; default 0) */
    maxAge: number;
    /** How long running calls may take to finish when their connection has reached connection.maxAge. Then they end, and clients resume on another connection. (milliseconds, 0 to 8760h; default 1m) */
    maxAgeGrace: number;
    /** Close a connection without calls after this long. 0: never. Clients reconnect by themselves. (milliseconds, 0 to 8760h; default 5m) */
    maxIdle: number;
    /** How long after the answer to one ping a connection is pinged again. (milliseconds, 1s to 24h; default 30s) */
    keepaliveTime: number;
    /** Close the connection when a ping is not answered within this time. A ping queues behind data, so keep this far above the time to drain a window. (milliseconds, 1s to 24h; default 1m) */
    keepaliveTimeout: number;
  };
  shutdown: {
    /** How long the server keeps serving after SIGTERM or SIGINT while its health check says NOT_SERVING, so that load balancers stop sending clients before connections close. (milliseconds, 0 to 24h; default 0) */
    pause: number;
    /** How long running transfers may take to finish after SIGTERM or SIGINT, and after shutdown.pause. (milliseconds, 0 to 24h; default 30s) */
    grace: number;
  };
  log: {
    /** The lowest level to log. info has one line for each request. (default info) */
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
  /** The directory to serve. s3://bucket/prefix serves what is below the prefix in a bucket of an object store (docs/object-store.md). (default .) */
  readonly root?: string | undefined;
  /** Accept uploads and deletes. Only one writable server may serve a directory. Without this setting the directory is only read. (default false) */
  readonly writable?: boolean | string | undefined;
  /** Accept calls without TLS on addresses other than loopback. (default false) */
  readonly insecure?: boolean | string | undefined;
  /** YAML file that says who may do what (docs/access.md): tokens and other proofs of identities, groups, rules. It is read again when it changes. Without one, whoever can connect may do everything that the server does. (default empty) */
  readonly access?: string | undefined;
  /** Processes that serve together, or auto: one for each processor. Connections are handed to them in turn. All settings are for the server as a whole, and each process has its share of threads, slabs, places and windows (docs/processes.md). (1 to 64; default 1) */
  readonly processes?: number | string | undefined;
  /** What a version of a file is, by which a transfer can go on at another server. identity: the inode and its times; servers agree where they serve one file system. size-mtime: the size and the time of the last change; servers agree where copies keep their times, and other content of the same size and time is not noticed. digest: SHA-256 of the content; each version of a file is read once before it is first sent. See docs/several-servers.md. (default identity) */
  readonly 'version.by'?: 'identity' | 'size-mtime' | 'digest' | undefined;
  /** Where operators and their tools find metrics, probes and the page, over HTTP: an address as for listen, or off. Where the default is taken by another process, the server runs without it and warns. (default 127.0.0.1:50052) */
  readonly 'admin.listen'?: string | undefined;
  /** PEM file with the certificate chain of the server. Together with tls.key it turns TLS on. (default empty) */
  readonly 'tls.cert'?: string | undefined;
  /** PEM file with the private key of the server. (default empty) */
  readonly 'tls.key'?: string | undefined;
  /** PEM file with the authorities for client certificates. When it is set, clients are asked for one, see tls.clientCert. (default empty) */
  readonly 'tls.clientCa'?: string | undefined;
  /** With tls.clientCa. require: every client must present a certificate. request: a client without one, or with one of another authority, is served as one without a certificate; access says what such a client may do. (default require) */
  readonly 'tls.clientCert'?: 'require' | 'request' | undefined;
  /** The lowest version of TLS to accept. 1.2 is for clients that cannot speak 1.3. (default 1.3) */
  readonly 'tls.minVersion'?: '1.2' | '1.3' | undefined;
  /** Worker threads that read, checksum and compress. (1 to 128; default one for each processor, at most 16) */
  readonly 'pool.threads'?: number | string | undefined;
  /** How far workers lower their scheduling priority below that of the event loop (Linux only). (0 to 19; default 10) */
  readonly 'pool.niceness'?: number | string | undefined;
  /** Payload bytes of one slab: the most that one job reads, and that one write sends. (bytes, 16KiB to 64MiB; default 512KiB) */
  readonly 'slab.size'?: number | string | undefined;
  /** Slabs in the pool. slab.size × slab.count is allocated once, when the server starts. (4 to 65536; default 64) */
  readonly 'slab.count'?: number | string | undefined;
  /** Bytes of a chunk before compression, for clients that do not ask for a size. (bytes, 1 to 64MiB; default 256KiB) */
  readonly 'chunk.size'?: number | string | undefined;
  /** The largest chunk that a client can ask for or send. At most slab.size. (bytes, 1KiB to 64MiB; default 512KiB) */
  readonly 'chunk.maxSize'?: number | string | undefined;
  /** Jobs of one stream that may be running or ready to send at the same time. (1 to 64; default 3) */
  readonly 'stream.jobsInFlight'?: number | string | undefined;
  /** The first message of a stream, in bytes, before the peer has shown that it reads. Half of slab.size is the most that is used. A stalled stream holds at most this much heap. (bytes, 1KiB to 64MiB; default 64KiB) */
  readonly 'stream.firstMessage'?: number | string | undefined;
  /** A stream ends with ABORTED when its peer does not take one write within this time. A write is stream.firstMessage for a slow peer and slab.size at most. (milliseconds, 100ms to 24h; default 1m) */
  readonly 'stream.stallTimeout'?: number | string | undefined;
  /** How long a stalled stream that was ended may take to deliver its status before it is reset. (milliseconds, 0 to 24h; default 5s) */
  readonly 'stream.stallLinger'?: number | string | undefined;
  /** When received bytes are made durable. always: after each write to the disk. batched: after uploads.syncBytes or uploads.syncInterval, and at the end of each call. With both, acknowledged bytes survive a power cut. none: never; acknowledged bytes survive the death of the server, but perhaps not a power cut. (default batched) */
  readonly 'uploads.sync'?: 'always' | 'batched' | 'none' | undefined;
  /** With batched: how many bytes of one upload are made durable together. (bytes, 1MiB to 16GiB; default 64MiB) */
  readonly 'uploads.syncBytes'?: number | string | undefined;
  /** With batched: the longest that received bytes wait to be made durable. (milliseconds, 10ms to 24h; default 1s) */
  readonly 'uploads.syncInterval'?: number | string | undefined;
  /** Receive window of each upload stream: how many bytes a sender may have in flight. 0: the window follows the measured bandwidth × RTT of the link. Any other value, at least 65535, is a fixed size. (bytes, 0 to 64MiB; default 0) */
  readonly 'uploads.window'?: number | string | undefined;
  /** The largest total of the windows of one connection, where windows follow the link. At most uploads.windowBudget. (bytes, 65535 to 1GiB; default 64MiB) */
  readonly 'uploads.maxWindow'?: number | string | undefined;
  /** The largest total of the windows of all connections, where windows follow the link. Each stream may have 65535 bytes beyond it. (bytes, 1MiB to 64GiB; default 128MiB) */
  readonly 'uploads.windowBudget'?: number | string | undefined;
  /** How long an unfinished upload is kept after its last byte, and how long a finished upload is remembered. An upload that never got a byte is discarded after a minute without a call. (milliseconds, 1s to 8760h; default 24h) */
  readonly 'uploads.expiry'?: number | string | undefined;
  /** The largest file that may be uploaded. 0: no limit. (bytes, 0 to 9007199254740991; default 0) */
  readonly 'uploads.maxSize'?: number | string | undefined;
  /** How many bytes all unfinished uploads together may have received. Above it they get DISK_FULL. 0: no limit. (bytes, 0 to 9007199254740991; default 0) */
  readonly 'uploads.maxTotalSize'?: number | string | undefined;
  /** Free space that uploads leave on the disk. Below it they get DISK_FULL. (bytes, 0 to 9007199254740991; default 256MiB) */
  readonly 'uploads.minFree'?: number | string | undefined;
  /** Unfinished uploads at the same time. When there are this many, a new upload replaces one without a byte, else the emptiest one of the address that has the most. If there is none to replace, it gets RESOURCE_EXHAUSTED. (1 to 1000000; default 1000) */
  readonly 'uploads.maxOpen'?: number | string | undefined;
  /** Where a root in a bucket is, unless Amazon has it: the URL of a store that speaks S3, such as https://ceph.example:7480. (default empty) */
  readonly 's3.endpoint'?: string | undefined;
  /** The region of the bucket. Empty: that of the environment or profile of AWS, or us-east-1 where s3.endpoint is set and they have none. (default empty) */
  readonly 's3.region'?: string | undefined;
  /** Name the bucket in the path of a request, not in the name of the host. Most stores other than that of Amazon want this. (default false) */
  readonly 's3.pathStyle'?: boolean | string | undefined;
  /** Requests to the object store under way at the same time. Others wait. (1 to 4096; default 64) */
  readonly 's3.requests'?: number | string | undefined;
  /** Ask the object store a second time for a range that is late, and take the answer that comes first. At most one read in 20 is asked for twice. (default true) */
  readonly 's3.hedge'?: boolean | string | undefined;
  /** What the object store does of what not every store does. auto: a writable server finds out when it starts. none, or a list of put-if-match, put-if-match-unquoted, delete-if-match, complete-conditions, checksums: just this, and nothing is tried (docs/object-store.md). (default auto) */
  readonly 's3.capabilities'?: string | undefined;
  /** auto: compress for clients that can decompress, where the data gets smaller and the transfer faster. off: never. (default auto) */
  readonly 'compression.mode'?: 'auto' | 'off' | undefined;
  /** gzip level for clients that ask to have everything compressed. Level 1 is about three times as fast as 6. (1 to 9; default 1) */
  readonly 'compression.level'?: number | string | undefined;
  /** The highest gzip level that the server chooses by itself on slow links (it uses 1, 4 and 6). Other codecs may take no more worker time than this level. (1 to 9; default 6) */
  readonly 'compression.maxLevel'?: number | string | undefined;
  /** Files smaller than this are never compressed. (bytes, 0 to 64MiB; default 1KiB) */
  readonly 'compression.minSize'?: number | string | undefined;
  /** Downloads and listings at the same time. When there are this many, a new one takes the place of one without progress, else of one of the address that has the most; that one ends with ABORTED. Otherwise the new one gets RESOURCE_EXHAUSTED. (1 to 1000000; default 1024; 512 with less than 1GiB of memory) */
  readonly 'limits.streams'?: number | string | undefined;
  /** UploadFile calls at the same time. A full server gives places away as for limits.streams. (1 to 100000; default 256; 128 with less than 1GiB of memory) */
  readonly 'limits.uploadStreams'?: number | string | undefined;
  /** Unary calls at the same time, health checks included. A full server gives places away as for limits.streams. Health watches and reflection have 64 places of their own. (1 to 1000000; default 512; 256 with less than 1GiB of memory) */
  readonly 'limits.calls'?: number | string | undefined;
  /** Requests of Exchange calls that are open at the same time, at most 1024 of one call. A full server gives places away as for limits.streams. (1 to 1000000; default 8192; 4096 with less than 1GiB of memory) */
  readonly 'limits.requests'?: number | string | undefined;
  /** Connections at the same time. A full server gives the place of an idle connection to a new one, else closes the new one at once. (1 to 1000000; default 1024; 512 with less than 1GiB of memory) */
  readonly 'limits.connections'?: number | string | undefined;
  /** Calls at the same time on one connection (HTTP/2 MAX_CONCURRENT_STREAMS). (1 to 100000; default 128) */
  readonly 'limits.streamsPerConnection'?: number | string | undefined;
  /** Proxies that many clients come through: addresses or CIDR blocks, separated by commas. Each connection or call from there counts as an address of its own. (default empty) */
  readonly 'limits.trustedProxies'?: string | undefined;
  /** Close a connection after this long, 10 % more or less, so that load spreads over replicas and certificates are checked again. Clients resume by themselves. 0: never. (milliseconds, 0 to 8760h; default 0) */
  readonly 'connection.maxAge'?: number | string | undefined;
  /** How long running calls may take to finish when their connection has reached connection.maxAge. Then they end, and clients resume on another connection. (milliseconds, 0 to 8760h; default 1m) */
  readonly 'connection.maxAgeGrace'?: number | string | undefined;
  /** Close a connection without calls after this long. 0: never. Clients reconnect by themselves. (milliseconds, 0 to 8760h; default 5m) */
  readonly 'connection.maxIdle'?: number | string | undefined;
  /** How long after the answer to one ping a connection is pinged again. (milliseconds, 1s to 24h; default 30s) */
  readonly 'connection.keepaliveTime'?: number | string | undefined;
  /** Close the connection when a ping is not answered within this time. A ping queues behind data, so keep this far above the time to drain a window. (milliseconds, 1s to 24h; default 1m) */
  readonly 'connection.keepaliveTimeout'?: number | string | undefined;
  /** How long the server keeps serving after SIGTERM or SIGINT while its health check says NOT_SERVING, so that load balancers stop sending clients before connections close. (milliseconds, 0 to 24h; default 0) */
  readonly 'shutdown.pause'?: number | string | undefined;
  /** How long running transfers may take to finish after SIGTERM or SIGINT, and after shutdown.pause. (milliseconds, 0 to 24h; default 30s) */
  readonly 'shutdown.grace'?: number | string | undefined;
  /** The lowest level to log. info has one line for each request. (default info) */
  readonly 'log.level'?: 'debug' | 'info' | 'warn' | 'error' | 'silent' | undefined;
  /** auto: pretty on a terminal, JSON lines elsewhere. (default auto) */
  readonly 'log.format'?: 'auto' | 'json' | 'pretty' | undefined;
}
