/**
 * What the bench tells a driver and what the driver answers. A driver is a
 * process of its own: the request is its only argument, as JSON; the answers
 * are lines of JSON on its standard output.
 */
import type { StockSettings } from '../peers/stock-settings.ts';

/** What to do with the bytes of a stream. */
export type Sink = { kind: 'discard' } | { kind: 'file'; path: string; synced: boolean };

export interface LoadRequest {
  /** host:port */
  target: string;
  /** PEM file with the authority of the server; undefined: without TLS. */
  ca?: string;
  /** Proves who calls; undefined: nobody asks. */
  token?: string;
  /** How often in a row sluice's client tries in vain; default: its own. */
  attempts?: number;
  /** Whose CPU time to measure. */
  serverPid: number;
  /** Settings of the stock client; the others ignore it. */
  settings: StockSettings;
  file: string;
  /** Streams at the same time. */
  streams: number;
  /** Each stream reads from here to the end of the file. */
  start: number;
  /** Each read is of so many bytes at a random place instead. Only sluice's clients do that. */
  rangeBytes?: number;
  /** The most connections; default 8. */
  connections?: number;
  /** Connections of each download to a file, where the number is not left to the client. Only sluice's client does that. */
  stripes?: number;
  /** Each stream takes no more than so many bytes a second. Only sluice's client does that. */
  streamBytesPerSec?: number;
  /** Requests that are open beside the streams and have no credit. Only sessions do that. */
  waitingRequests?: number;
  /** 0 leaves it to the server. */
  chunkBytes: number;
  /** Check every chunk and the whole; the stock client cannot. */
  verified: boolean;
  /** What the client wishes; with anything but `never` it decompresses what it gets. */
  compression: 'never' | 'auto' | 'always';
  sink: Sink;
  /** One stream reads from here to the end before the measurement; undefined for no warm-up. */
  warmUpStart?: number;
  /** So many connections do that, one after the other; default 1. Those of a server with several processes come to all of them. */
  warmUpConnections?: number;
  /**
   * Or reads so often and for so long, another file where one is named, from `target` over a connection of its own
   * where there is one: then only the code gets warm.
   */
  warmUp?: { reads: number; seconds?: number; target?: string; file?: string };
  /** A receive window of this size, where it is not left to the client. */
  windowBytes?: number;
  /** Read this often, one after the other; undefined is once. */
  repeats?: number;
  /** Read again and again for this long, in seconds, rather than once. */
  seconds?: number;
  /** With `seconds`: what happens before this is not counted, in seconds. */
  skipSeconds?: number;
}

export interface UploadRequest {
  /** host:port */
  target: string;
  /** As in `LoadRequest`. */
  ca?: string;
  /** Whose CPU time to measure. */
  serverPid: number;
  /** Settings of the stock client; sluice's ignores them. */
  settings: StockSettings;
  /** Path of the file that every stream sends, each to a name of its own. */
  path: string;
  /** Streams at the same time. */
  streams: number;
  /** 0 leaves it to the client. */
  chunkBytes: number;
  /** Check every chunk and the whole; the stock client cannot. */
  verified: boolean;
  /** What sluice's client does; the stock client compresses nothing. */
  compression: 'never' | 'auto' | 'always';
  /** Path of a file that each connection sends before the measurement. */
  warmUpPath: string;
  /** It is sent so often, to the same name; default 1. */
  warmUpTimes?: number;
  /** And again and again for so long. */
  warmUpSeconds?: number;
  /** Where that is sent instead, over connections of its own: only the code gets warm. */
  warmUpTarget?: string;
  /** Of each upload; 0 leaves it to the client. Default 1, as the peer has: parts side by side are another matter. */
  connections?: number;
  /** Measure for this long, in seconds, whether the files have been sent or not. */
  seconds?: number;
}

/** What the SDK of AWS does with a bucket, without sluice. */
export interface S3Request {
  /** A URL. */
  endpoint: string;
  bucket: string;
  /** Requests at the same time. */
  inFlight: number;
  work: S3Work;
}

export type S3Work =
  /** An object by ranges, which are discarded. Before that, from `warmUpStart` on. */
  | { kind: 'read'; key: string; partBytes: number; warmUpStart: number }
  /** A file by parts. Before that, `warmUpPath`. */
  | { kind: 'write'; key: string; partBytes: number; path: string; warmUpPath: string }
  /** All objects below a prefix, into files below `to`. */
  | { kind: 'tree'; prefix: string; to: string };

/** The line that says that every stream has got its first bytes. */
export interface LoadStarted {
  event: 'started';
}

export interface LoadReport {
  event: 'report';
  /** Of all streams, after decompression. */
  bytes: number;
  seconds: number;
  /** Of the driver. */
  clientCpuSeconds: number;
  serverCpuSeconds: number;
  serverPeakRssBytes: number;
  clientPeakRssBytes: number;
  /** Over the time in which all streams ran: up to the end of the first one. */
  perStreamBytesPerSec: number[];
}

export interface S3Report
  extends Pick<LoadReport, 'event' | 'bytes' | 'seconds' | 'clientCpuSeconds' | 'clientPeakRssBytes'> {}

/** What drivers say beyond that. */
export interface DriverReport extends LoadReport {
  /** CPU time of the event loops alone. */
  clientLoopSeconds: number;
  serverLoopSeconds: number;
  /** Of the server, at the end. */
  serverDescriptors: number;
}

export interface ProbeRequest {
  target: string;
  token?: string;
  file: string;
  /** How long to probe. */
  seconds: number;
}

export interface ReadProbeRequest {
  target: string;
  file: string;
  /** Each read is of so many bytes at a random place. */
  rangeBytes: number;
  /** Reads before it counts, and those that count. */
  warmUpReads: number;
  reads: number;
  inFlight: number;
}

export interface ProbeReport {
  event: 'report';
  calls: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

export interface UnaryLoadRequest {
  /** host:port */
  target: string;
  token?: string;
  /** Whose CPU time to measure. */
  serverPid: number;
  /** Whose size to ask for. */
  file: string;
  /** Questions at the same time, on one connection. */
  inFlight: number;
  /** How long to ask before it counts. */
  warmUpSeconds: number;
  seconds: number;
}

export interface UnaryLoadReport {
  event: 'report';
  calls: number;
  seconds: number;
  serverCpuSeconds: number;
  serverLoopSeconds: number;
}

export interface IdleRequest {
  /** host:port */
  target: string;
  /** As in `LoadRequest`. */
  ca?: string;
  file: string;
  connections: number;
}

/** The line that says that all connections are there, and each has asked something. */
export interface ConnectionsIdle {
  event: 'idle';
}

export interface GreedyRequest {
  target: string;
  token: string;
  file: string;
}

/** The line that says that limits of each kind have refused something. */
export interface GreedyLimited {
  event: 'limited';
}

export interface StalledReadersRequest {
  target: string;
  file: string;
  readers: number;
  chunkBytes: number;
}

/** The line that says that every reader has got its first message and stopped. */
export interface ReadersStalled {
  event: 'stalled';
}

export interface StoppedConsumersRequest {
  target: string;
  file: string;
  streams: number;
  /** Streams take turns on these. */
  connections: number;
  /** All connections together read so much before; 0: they only connect. */
  warmUpBytes: number;
  /** How long the streams are left alone. */
  seconds: number;
}

/** What a process holds for streams that nobody reads. */
export interface HeldReport {
  event: 'held';
  rssBeforeBytes: number;
  /** Since its start. */
  peakRssBytes: number;
}

/** The request of this driver process. */
export function parseRequest<T>(): T {
  return JSON.parse(process.argv[2] as string) as T;
}

type Answer =
  | LoadStarted
  | DriverReport
  | S3Report
  | UnaryLoadReport
  | ProbeReport
  | GreedyLimited
  | ReadersStalled
  | ConnectionsIdle
  | HeldReport;

/** Writes one answer. */
export function answer(line: Answer): void {
  console.log(JSON.stringify(line));
}
