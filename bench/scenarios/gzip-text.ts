/** One stream of text, compressed by the server and decompressed by the client. */
import { MIB } from '../../src/base/units.ts';
import { atLeast, ratioOf } from '../harness/bar.ts';
import { loadCase, type Scenario } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';
import { stockTuned } from '../peers/stock.ts';

const WARM_UP_BYTES = 16 * MIB;

export const gzipText: Scenario = {
  name: 'gzip-text',
  describe: 'one stream of 256 MiB of program text, gzip level 1, decompressed; rates are of the text',
  bars: [atLeast(1.5, ratioOf('rateMibPerSec', 'sluice verified', 'stock tuned'))],
  async prepare(context) {
    const size = (context.quick ? 128 : 256) * MIB;
    const plan = { file: await context.files.text(size), warmUpStart: size - WARM_UP_BYTES, verified: true };
    return [
      loadCase('stock tuned', stockTuned, context, { ...plan, compression: 'always' }),
      loadCase('sluice verified', sluice, context, { ...plan, compression: 'always' }),
      loadCase('sluice deciding itself', sluice, context, { ...plan, compression: 'auto' }),
    ];
  },
};
