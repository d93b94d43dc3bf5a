/**
 * What the model is made of: measured by `npm run simulate -- measure` and kept
 * in docs/benchmarks/scaling.json with the machine they were measured on, or
 * documented by others.
 */
import { readFileSync } from 'node:fs';
import { repositoryPath } from '../harness/paths.ts';
import type { Machine } from '../harness/report.ts';

/** CPU time in seconds. */
export interface Cost {
  /** Of the event loop's thread. */
  readonly loopSec: number;
  /** Of all threads together. */
  readonly cpuSec: number;
}

/** Kinds of transfer whose cost for each GiB of file bytes was measured. */
export const TRANSFERS = {
  download: 'download',
  downloadTls: 'download, TLS',
  downloadGzip: 'download, text as gzip',
  downloadSlow: 'download by streams of 1 MiB/s',
  upload: 'upload',
  uploadTls: 'upload, TLS',
  uploadGzip: 'upload, text as gzip',
  bucketDownload: 'download from a bucket',
  bucketUpload: 'upload to a bucket',
} as const;

export type Transfer = keyof typeof TRANSFERS;

export interface TransferCost {
  /** For each GiB. */
  readonly server: Cost;
  readonly client: Cost;
  /** Of the object store, for each GiB; 0 without one. */
  readonly storeRequests: number;
}

/** With what the model is compared: so many connections, and what was seen. */
export interface Point {
  readonly load: 'idle' | 'idle, TLS' | 'a stream each' | 'a stream each, TLS' | '1 MiB/s each';
  readonly connections: number;
  /** 0 where nothing is moved. */
  readonly mibPerSec: number;
  /** Of the server, each second. */
  readonly loopSec: number;
  readonly cpuSec: number;
  /** Of the client, each second. */
  readonly clientCpuSec: number;
  readonly rssBytes: number;
  readonly descriptors: number;
}

export interface Measured {
  readonly date: string;
  readonly machine: Machine;
  /** Those of buckets are missing where there was no store. */
  readonly transfers: Readonly<Partial<Record<Transfer, TransferCost>>>;
  /** To accept one, until its first call is answered. */
  readonly connection: Cost;
  readonly connectionTls: Cost;
  /** A small call. */
  readonly call: Cost;
  /** Of an open connection that does nothing. */
  readonly ping: Cost;
  readonly connectionBytes: number;
  readonly connectionTlsBytes: number;
  /** Of a download that waits for its peer, beside its connection. */
  readonly streamBytes: number;
  /** Of a server that has just started. */
  readonly serverBytes: number;
  readonly descriptorsPerConnection: number;
  /** What text becomes as gzip. */
  readonly gzipShare: number;
  readonly points: readonly Point[];
}

export const MEASURED_FILE = 'docs/benchmarks/scaling.json';

export function readMeasured(): Measured {
  return JSON.parse(readFileSync(repositoryPath(MEASURED_FILE), 'utf8')) as Measured;
}

/** What others document. */
export interface Documented {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly source: string;
}

export const DOCUMENTED = {
  s3Gets: {
    what: 'GET and HEAD requests that a prefix of a bucket of Amazon S3 takes at least',
    value: 5500,
    unit: 'requests/s',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html',
  },
  s3Puts: {
    what: 'PUT, POST and DELETE requests that a prefix of a bucket of Amazon S3 takes at least',
    value: 3500,
    unit: 'requests/s',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html',
  },
  s3Latency: {
    what: 'Time to the first byte of a request to Amazon S3, the upper end of "roughly 100–200 milliseconds"',
    value: 0.2,
    unit: 's',
    source:
      'https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-design-patterns.html',
  },
  descriptors: {
    what: 'Descriptors that a process may have (hard limit since systemd 240; Node raises its soft limit to that)',
    value: 524_288,
    unit: 'descriptors',
    source: 'https://github.com/systemd/systemd/pull/10244',
  },
  file: {
    what: 'Descriptors of each download from a directory, beside its connection',
    value: 1,
    unit: 'descriptor',
    source: '`src/storage/local/local-file.ts`',
  },
  ports: {
    what: 'Connections from one address to one port of another by default (`net.ipv4.ip_local_port_range` 32768–60999)',
    value: 28_232,
    unit: 'connections',
    source: 'https://docs.kernel.org/networking/ip-sysctl.html',
  },
} as const satisfies Record<string, Documented>;
