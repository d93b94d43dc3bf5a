/** 64 uploads at once: what they get together, how evenly they get it, and the memory it takes. */
import { join } from 'node:path';
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import { memoryBoundBytes } from '../../src/config/memory/memory-bound.ts';
import { configSchema } from '../../src/config/schema.ts';
import { atLeast, atMost, figureOf, ratioOf } from '../harness/bar.ts';
import type { Scenario } from '../harness/scenario.ts';
import { NODE_BYTES, uploadCase } from '../harness/uploads.ts';
import { sluiceUploads, stockUploads } from '../peers/uploads.ts';

const STREAMS = 64;
const CHUNK_BYTES = 256 * KIB;
const WARM_UP_BYTES = 64 * MIB;

/** What all uploads send together. */
const TOTAL_BYTES = 4 * GIB;
const QUICK_TOTAL_BYTES = GIB;

const RSS_BOUND_BYTES =
  memoryBoundBytes(
    configSchema.parse({ writable: true, limits: { streams: STREAMS, uploadStreams: STREAMS } }),
  ).total + NODE_BYTES;

export const uploadMany: Scenario = {
  name: 'upload-many',
  describe: `${STREAMS} uploads of random bytes at once, 256 KiB chunks, left to the page cache; sluice checks them`,
  bars: [
    atLeast(1.3, ratioOf('rateMibPerSec', 'sluice verified', 'stock tuned')),
    atMost(Math.floor(RSS_BOUND_BYTES / MIB), figureOf('serverPeakRssMib', 'sluice verified')),
    atLeast(0.95, figureOf('fairness', 'sluice verified')),
    atMost(0.8, ratioOf('serverCpuSecPerGib', 'sluice verified', 'stock tuned')),
  ],
  async prepare(context) {
    const { files, quick } = context;
    const path = join(
      files.directory,
      await files.random((quick ? QUICK_TOTAL_BYTES : TOTAL_BYTES) / STREAMS),
    );
    const warmUpPath = join(files.directory, await files.random(WARM_UP_BYTES));
    const plan = { path, warmUpPath, streams: STREAMS, chunkBytes: CHUNK_BYTES };
    return [
      uploadCase('stock tuned', stockUploads('tuned'), context, plan),
      uploadCase('sluice verified', sluiceUploads('none'), context, { ...plan, verified: true }),
    ];
  },
};
