/** Small and large files in one tree: neither must wait for the other. */
import { linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../../src/base/units.ts';
import { atMost, figureOf } from '../../harness/bar.ts';
import type { Scenario } from '../../harness/scenario.ts';
import { getCase } from '../../harness/trees.ts';
import { sluiceTrees } from '../../peers/trees.ts';

const SMALL_FILES = 10_000;
const SMALL_BYTES = 4096;
const PER_DIRECTORY = 100;
const LARGE_FILES = 4;
const LARGE_BYTES = 512 * MIB;

const LARGE_TREE = 'tree-large';
const MIXED_TREE = 'tree-mixed';

const [small, large, mixed] = ['small files', 'large files', 'both'] as const;

export const mixedTree: Scenario = {
  name: 'mixed-tree',
  describe: `${SMALL_FILES} files of 4 KiB and ${LARGE_FILES} of 512 MiB by one get -r, beside each part alone`,
  bars: [
    atMost(1.15, {
      name: 's, both ÷ the longer of the two',
      evaluate(medians) {
        const [one, other, together] = [small, large, mixed].map((each) =>
          figureOf('seconds', each).evaluate(medians),
        ) as [number, number, number];
        return together / Math.max(one, other);
      },
    }),
  ],
  async prepare(context) {
    const { files, quick } = context;
    const smallTree = await files.tree(SMALL_FILES, PER_DIRECTORY, SMALL_BYTES);
    const file = join(files.directory, await files.random(quick ? LARGE_BYTES / 4 : LARGE_BYTES));
    // One file under several names: what is read from the page cache is read as often.
    for (const tree of [LARGE_TREE, MIXED_TREE]) {
      const path = join(files.directory, tree);
      rmSync(path, { recursive: true, force: true });
      mkdirSync(path);
      for (let each = 0; each < LARGE_FILES; each += 1) linkSync(file, join(path, `large-${each}.bin`));
    }
    linkTree(join(files.directory, smallTree), join(files.directory, MIXED_TREE));
    return [
      getCase(context, sluiceTrees, small, smallTree),
      getCase(context, sluiceTrees, large, LARGE_TREE),
      getCase(context, sluiceTrees, mixed, MIXED_TREE),
    ];
  },
  async cleanUp({ files }) {
    for (const tree of [LARGE_TREE, MIXED_TREE])
      rmSync(join(files.directory, tree), { recursive: true, force: true });
  },
};

/** The directories of a tree, with its files under further names. */
function linkTree(from: string, to: string): void {
  for (const directory of readdirSync(from)) {
    mkdirSync(join(to, directory));
    for (const file of readdirSync(join(from, directory)))
      linkSync(join(from, directory, file), join(to, directory, file));
  }
}
