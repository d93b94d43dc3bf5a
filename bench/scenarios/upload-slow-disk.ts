/** Senders far faster than the disk: memory must stay bounded, nobody fail, and all get their share. */
import { join } from 'node:path';
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import { memoryBoundBytes } from '../../src/config/memory/memory-bound.ts';
import { configSchema } from '../../src/config/schema.ts';
import { atLeast, atMost, figureOf } from '../harness/bar.ts';
import type { BenchContext, Case, Scenario } from '../harness/scenario.ts';
import { ThrottledDisk } from '../harness/throttled-disk.ts';
import { measureUploads, NODE_BYTES, type UploadContender } from '../harness/uploads.ts';
import { sluiceUploads, stockUploads } from '../peers/uploads.ts';

const STREAMS = 256;
const CHUNK_BYTES = 256 * KIB;
const WARM_UP_BYTES = MIB;
const DISK_BYTES = 8 * GIB;
const DISK_BYTES_PER_SEC = 10 * MIB;

/** More than the disk takes of any one sender in the time. */
const FILE_BYTES = 16 * MIB;

const RSS_BOUND_BYTES =
  memoryBoundBytes(
    configSchema.parse({ writable: true, limits: { streams: STREAMS, uploadStreams: STREAMS } }),
  ).total + NODE_BYTES;

export const uploadSlowDisk: Scenario = {
  name: 'upload-slow-disk',
  describe: `${STREAMS} senders at once to a disk that writes 10 MiB/s; an error of one fails the case`,
  bars: [
    atMost(Math.floor(RSS_BOUND_BYTES / MIB), figureOf('serverPeakRssMib', 'sluice verified')),
    atLeast(0.9, figureOf('fairness', 'sluice verified')),
  ],
  unavailable: () => ThrottledDisk.unavailable(),
  async prepare(context) {
    const { files } = context;
    const path = join(files.directory, await files.random(FILE_BYTES));
    const warmUpPath = join(files.directory, await files.random(WARM_UP_BYTES));
    const seconds = context.quick ? 20 : 60;
    const plan = { path, warmUpPath, streams: STREAMS, chunkBytes: CHUNK_BYTES, verified: true, seconds };
    return [
      slowCase('stock tuned', stockUploads('tuned'), context, plan),
      slowCase('sluice verified', sluiceUploads('batched'), context, plan),
    ];
  },
};

function slowCase(
  name: string,
  contender: UploadContender,
  context: BenchContext,
  plan: Parameters<UploadContender['upload']>[1],
): Case {
  return {
    name,
    async measure() {
      const disk = new ThrottledDisk(context.files.directory, DISK_BYTES, DISK_BYTES_PER_SEC);
      try {
        return await measureUploads(contender, disk.directory, plan);
      } finally {
        disk.remove();
      }
    },
  };
}
