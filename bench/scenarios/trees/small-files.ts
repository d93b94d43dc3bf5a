/** Trees of small files, by the command as people run it, beside rsync with its daemon. */
import { atMost, type Bar, ratioOf } from '../../harness/bar.ts';
import type { BenchContext, Case, Scenario } from '../../harness/scenario.ts';
import { type Distance, getCase, putCase, treeCaseName } from '../../harness/trees.ts';
import { rsyncTrees, sluiceTrees, withoutRsync } from '../../peers/trees.ts';

const FILE_BYTES = 4096;
const PER_DIRECTORY = 100;
const FILES = 10_000;
/** Without `--quick`. */
const MANY_FILES = 100_000;

/** Of the link: 0 is what the link alone costs. */
const ROUND_TRIPS_MS = [0, 16];

const DURABLE = 'files durable, beside rsync -a to its daemon and a sync';

export const smallFilesGet: Scenario = treeScenario('get', getCase, {
  describe: 'trees of files of 4 KiB, get -r, process start included, beside rsync -a from its daemon',
  bound: 3,
  boundOfMany: 2,
});

export const smallFilesPut: Scenario = treeScenario('put', putCase, {
  describe: `trees of files of 4 KiB, put -r, process start included, ${DURABLE}`,
  bound: 4,
  boundOfMany: 3,
});

function treeScenario(
  direction: 'get' | 'put',
  makeCase: typeof getCase,
  { bound, boundOfMany, describe }: { bound: number; boundOfMany: number; describe: string },
): Scenario {
  const nameOf = (peer: string, files: number, distance: Distance = 'here') =>
    treeCaseName(`${peer} × ${files}`, distance);
  return {
    name: `small-files-${direction}`,
    describe,
    bars: [
      besideRsync(FILES, bound),
      besideRsync(MANY_FILES, boundOfMany),
      atMost(1.3, ratioOf('seconds', nameOf('sluice', FILES, 16), nameOf('sluice', FILES, 0))),
    ],
    unavailable: withoutRsync,
    async prepare(context) {
      const cases = await casesOf(context, FILES);
      const tree = await treeOf(context, FILES);
      for (const roundTripMs of ROUND_TRIPS_MS) {
        for (const peer of [rsyncTrees, sluiceTrees])
          cases.push(makeCase(context, peer, nameOf(peer.name, FILES), tree, roundTripMs));
      }
      return context.quick ? cases : [...cases, ...(await casesOf(context, MANY_FILES))];
    },
  };

  function besideRsync(files: number, most: number): Bar {
    return atMost(most, ratioOf('seconds', nameOf('sluice', files), nameOf('rsync', files)));
  }

  async function casesOf(context: BenchContext, files: number): Promise<Case[]> {
    const tree = await treeOf(context, files);
    return [rsyncTrees, sluiceTrees].map((peer) => makeCase(context, peer, nameOf(peer.name, files), tree));
  }
}

function treeOf({ files }: BenchContext, count: number): Promise<string> {
  return files.tree(count, PER_DIRECTORY, FILE_BYTES);
}
