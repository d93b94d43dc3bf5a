/** One client sends one large file: how fast it gets into a file of the server, and what that costs the server. */
import { join } from 'node:path';
import { GIB } from '../../src/base/units.ts';
import { atLeast, atMost, ratioOf } from '../harness/bar.ts';
import type { Scenario } from '../harness/scenario.ts';
import { uploadCase } from '../harness/uploads.ts';
import { sluiceUploads, stockUploads } from '../peers/uploads.ts';

/** A server runs for days: compiled code is what is measured. After 256 MiB V8 still compiles, for a sixth of the next GiB's CPU time. */
const WARM_UP_BYTES = GIB;

export const uploadOneStream: Scenario = {
  name: 'upload-one-stream',
  describe: 'one upload of a 1 GiB file of random bytes, left to the page cache; sluice checks it',
  bars: [
    atLeast(1.5, ratioOf('rateMibPerSec', 'sluice verified', 'stock tuned')),
    atMost(0.8, ratioOf('serverCpuSecPerGib', 'sluice verified', 'stock tuned')),
  ],
  async prepare(context) {
    const { files, quick } = context;
    const path = join(files.directory, await files.random(quick ? GIB / 2 : GIB));
    const warmUpPath = join(files.directory, await files.random(WARM_UP_BYTES));
    const plan = { path, warmUpPath };
    const sluice = sluiceUploads('none');
    return [
      uploadCase('stock tuned', stockUploads('tuned'), context, plan),
      uploadCase('sluice verified', sluice, context, { ...plan, verified: true }),
      uploadCase('stock large-heap', stockUploads('large-heap'), context, plan),
      uploadCase('sluice unchecked', sluice, context, plan),
    ];
  },
};
