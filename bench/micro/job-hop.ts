/** What it costs to have a slab filled by a worker thread: the hop itself, then with bytes to read and to check. */

import { randomFillSync } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bench, group } from 'mitata';
import { IDENTITY } from '../../src/base/coding.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import type { FillJob } from '../../src/engine/jobs/job.ts';
import { WorkerPool } from '../../src/engine/jobs/worker-pool.ts';
import { SlabPool } from '../../src/engine/slabs/slab-pool.ts';

export async function benchJobHop(): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-micro-'));
  const path = join(directory, 'file');
  writeFileSync(path, randomFillSync(new Uint8Array(MIB)));
  const fd = openSync(path, 'r');
  const slabs = new SlabPool(MIB, 4);
  const workers = new WorkerPool({ threads: 1, niceness: 0, slabs, logger: silentLogger });
  await workers.start();

  group('job', () => {
    bench('1 byte', () => fill(workers, fd, 1, false));
    bench('256 KiB', () => fill(workers, fd, 256 * KIB, false));
    bench('1 MiB', () => fill(workers, fd, MIB, false));
    bench('1 MiB with CRC-32', () => fill(workers, fd, MIB, true));
  });

  return async () => {
    await workers.stop();
    closeSync(fd);
    rmSync(directory, { recursive: true });
  };
}

async function fill(workers: WorkerPool, fd: number, rawBytes: number, checksums: boolean): Promise<void> {
  const job: FillJob = {
    kind: 'fill',
    slab: 0,
    fd,
    pack: null,
    offset: 0,
    rawBytes,
    chunkBytes: 256 * KIB,
    details: checksums,
    checksums,
    coding: IDENTITY,
    probe: false,
  };
  const result = await workers.fill(job);
  if (result.kind !== 'filled') throw new Error(`the job is ${result.kind}`);
}
