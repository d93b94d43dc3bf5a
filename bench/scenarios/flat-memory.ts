/** The server's memory must not depend on the size of the file. */
import { GIB } from '../../src/base/units.ts';
import { atMost, excessOf } from '../harness/bar.ts';
import { loadCase, type Scenario } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';
import { stockTuned } from '../peers/stock.ts';

const SMALL_BYTES = GIB;
const LARGE_BYTES = 16 * GIB;

const REPEATS = LARGE_BYTES / SMALL_BYTES;

const RSS = 'serverPeakRssMib';

export const flatMemory: Scenario = {
  name: 'flat-memory',
  describe: 'one stream of a sparse file of 1 GiB, once and 16 times, and of 16 GiB',
  bars: [
    // The size of the file is the only difference: both servers have sent 16 GiB.
    atMost(10, excessOf(RSS, 'sluice 16 GiB', 'sluice 1 GiB × 16')),
    atMost(
      10,
      excessOf(RSS, 'sluice 16 GiB', 'sluice 1 GiB'),
      "The size of the file is not why: the same 16 GiB sent as sixteen files of 1 GiB take as much memory. V8's heap has had sixteen times as long to grow to its working size.",
    ),
  ],
  async prepare(context) {
    // Without a warm-up the short run would end before the heap and the slabs have been used in full.
    const small = { file: await context.files.sparse(SMALL_BYTES), warmUpStart: 0 };
    const large = { file: await context.files.sparse(LARGE_BYTES), warmUpStart: LARGE_BYTES - SMALL_BYTES };
    return [
      loadCase('stock tuned 1 GiB', stockTuned, context, small),
      loadCase('sluice 1 GiB', sluice, context, small),
      loadCase('sluice 1 GiB × 16', sluice, context, { ...small, repeats: REPEATS }),
      loadCase('stock tuned 16 GiB', stockTuned, context, large),
      loadCase('sluice 16 GiB', sluice, context, large),
    ];
  },
  // Read holes fill the page cache with zeros and drive other scenarios' files out.
  async cleanUp(context) {
    context.files.remove(await context.files.sparse(SMALL_BYTES));
    context.files.remove(await context.files.sparse(LARGE_BYTES));
  },
};
