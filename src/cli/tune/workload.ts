/** The loads that contenders are measured with, and the messages between `sluice tune` and its client process. */
import type { CompressionMode } from '../../client/options.ts';
import type { TunedKey } from './candidate.ts';

export interface Workload {
  name: string;
  /** At the same time, each reading the sample's files again and again. */
  streams: number;
  compression: CompressionMode;
}

/** A file of the sample: the bytes `[0, bytes)` of `name`. */
export interface SampleFile {
  name: string;
  bytes: number;
}

export interface LoadRequest extends Omit<Workload, 'name'> {
  /** host:port */
  target: string;
  files: readonly SampleFile[];
  /** What to ask the server for, in bytes: the chunk size that is its default. */
  chunkBytes: number;
  /** Bytes of this time from the start on do not count, in milliseconds. */
  settleMs: number;
  durationMs: number;
}

/** Ends the connections to a server that has ended. */
export interface CloseRequest {
  close: string;
}

export type LoadAnswer = { bytes: number; seconds: number } | { error: string };

/** The compression level shows only where something is compressed; all others where nothing is. */
export function workloadsOf(key: TunedKey | undefined, streams: number): Workload[] {
  const name = streams === 1 ? '1 stream' : `${streams} streams`;
  if (key === 'compression.level') return [{ name: `gzip, ${name}`, streams, compression: 'always' }];
  const many: Workload = { name, streams, compression: 'never' };
  return streams === 1 ? [many] : [{ name: '1 stream', streams: 1, compression: 'never' }, many];
}
