/** What the disk, and a TCP connection to it, do with the same file and none of a protocol: `dd`, and the least that a server and a client can do. */
import { join } from 'node:path';
import { MIB } from '../../src/base/units.ts';
import { Child } from '../../src/cli/process/child.ts';
import type { Metrics } from '../harness/metrics.ts';
import { repositoryPath } from '../harness/paths.ts';

const COPY_TIMEOUT_MS = 180_000;

/** `dd` with the data synced at the end, to a new file in `directory`. */
export function copyByDd(path: string, sizeBytes: number, directory: string): Promise<Metrics> {
  const target = join(directory, 'copied');
  return timed(sizeBytes, new Child('dd', 'dd', [`if=${path}`, `of=${target}`, 'bs=1M', 'conv=fdatasync']));
}

/** sendfile(2) to a connection on loopback, from there to a new file in `directory` that is synced at the end. */
export function copyByTcp(path: string, sizeBytes: number, directory: string): Promise<Metrics> {
  const script = repositoryPath('bench/peers/tcp-copy.py');
  return timed(sizeBytes, new Child('tcp-copy', 'python3', [script, path, join(directory, 'copied')]));
}

async function timed(sizeBytes: number, copy: Child): Promise<Metrics> {
  const startMs = performance.now();
  await copy.succeed(COPY_TIMEOUT_MS);
  return { rateMibPerSec: sizeBytes / MIB / ((performance.now() - startMs) / 1000) };
}
