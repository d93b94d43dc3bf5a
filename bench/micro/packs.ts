import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bench, group } from 'mitata';
import { IDENTITY } from '../../src/base/coding.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import type { FillJob } from '../../src/engine/jobs/job.ts';
import { WorkerPool } from '../../src/engine/jobs/worker-pool.ts';
import { SlabPool } from '../../src/engine/slabs/slab-pool.ts';
import { openLocalStore } from '../../src/storage/local/local-store.ts';
import type { PackedFile } from '../../src/storage/store.ts';

const FILES = 240;
const FILE_BYTES = 4 * KIB;

/** What a pack of small files costs beside its parts: their system calls alone, and one read of as many bytes. */
export async function benchPacks(): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const names = Array.from({ length: FILES }, (_, i) => `d${Math.floor(i / 100)}/f${i}`);
  for (const name of names) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), Buffer.alloc(FILE_BYTES, name));
  }
  const large = join(directory, 'large');
  writeFileSync(large, Buffer.alloc(MIB, 'abc'));
  const fd = openSync(large, 'r');
  const store = await openLocalStore(directory);
  const files: PackedFile[] = await Promise.all(
    names.map(async (fileName) => ({ fileName, ...(await store.stat(fileName)) })),
  );
  const workers = new WorkerPool({
    threads: 1,
    niceness: 0,
    slabs: new SlabPool(MIB, 1),
    logger: silentLogger,
  });
  await workers.start();
  const paths = names.map((name) => join(directory, name));
  const target = new Uint8Array(FILE_BYTES);

  group(`${FILES} files of 4 KiB`, () => {
    bench('their system calls alone', () => {
      for (const path of paths) readWhole(path, target);
    });
    bench('as a pack: names checked, a job, its answer', () => fillPack(workers, files, store));
    bench('as many bytes of one file: a job, its answer', () => fill(workers, { fd, pack: null }));
  });

  return async () => {
    await workers.stop();
    await store.close();
    closeSync(fd);
    rmSync(directory, { recursive: true });
  };
}

/** The five calls, with nothing done with what they answer. */
function readWhole(path: string, target: Uint8Array): void {
  lstatSync(path, { bigint: true });
  const fd = openSync(path, 'r');
  readSync(fd, target, 0, target.length, 0);
  fstatSync(fd, { bigint: true });
  closeSync(fd);
}

async function fillPack(
  workers: WorkerPool,
  files: readonly PackedFile[],
  store: Awaited<ReturnType<typeof openLocalStore>>,
): Promise<void> {
  const pack = await store.openPack(files);
  if (pack.source.kind !== 'pack') throw new Error('workers do not read the pack themselves');
  await fill(workers, { fd: null, pack: pack.source.slice(0, pack.size) });
  await pack.close();
}

async function fill(workers: WorkerPool, bytes: Pick<FillJob, 'fd' | 'pack'>): Promise<void> {
  const job: FillJob = {
    ...bytes,
    kind: 'fill',
    slab: 0,
    offset: 0,
    rawBytes: FILES * (1 + FILE_BYTES),
    chunkBytes: 256 * KIB,
    details: true,
    checksums: false,
    coding: IDENTITY,
    probe: false,
  };
  const result = await workers.fill(job);
  if (result.kind !== 'filled' || result.refused)
    throw new Error(`the job is ${result.kind}, or refuses files`);
}
