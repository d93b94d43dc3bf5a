/** One stream into a file on the disk, as writers leave it (in the page cache) and made durable. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { GIB } from '../../src/base/units.ts';
import { atLeast, ratioOf } from '../harness/bar.ts';
import type { Contender } from '../harness/contender.ts';
import { toMetrics } from '../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';
import { stockTuned } from '../peers/stock.ts';

export const toDisk: Scenario = {
  name: 'to-disk',
  describe: 'one stream of a 1 GiB file of random bytes to a file on the disk',
  // What `sluice get` does, checked and durable, against what everyone writes, neither checked nor durable.
  bars: [atLeast(1.2, ratioOf('rateMibPerSec', 'sluice to a path, durable', 'stock tuned'))],
  async prepare(context) {
    const file = await context.files.random(context.quick ? GIB / 2 : GIB);
    return [
      diskCase('stock tuned', stockTuned, context, file, false),
      diskCase('sluice to a write stream', sluice, context, file, false),
      diskCase('stock tuned synced', stockTuned, context, file, true),
      diskCase('sluice to a path, durable', sluice, context, file, true),
    ];
  },
};

function diskCase(
  name: string,
  contender: Contender,
  context: BenchContext,
  file: string,
  synced: boolean,
): Case {
  const path = join(context.files.directory, 'downloaded');
  return {
    name,
    measure: () =>
      withServer(contender, context, async (server) => {
        try {
          return toMetrics(
            await contender.load(server, { file, sink: { kind: 'file', path, synced }, verified: true }),
          );
        } finally {
          rmSync(path, { force: true });
        }
      }),
  };
}
