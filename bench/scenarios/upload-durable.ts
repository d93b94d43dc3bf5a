/** One upload with the default sync policy, beside what the disk itself does with the same file. */
import { join } from 'node:path';
import { GIB, MIB } from '../../src/base/units.ts';
import { atLeast, ratioOf } from '../harness/bar.ts';
import { Child } from '../harness/child.ts';
import type { BenchContext, Case, Scenario } from '../harness/scenario.ts';
import { uploadCase, withEmptyDirectory } from '../harness/uploads.ts';
import { sluiceUploads } from '../peers/uploads.ts';

const WARM_UP_BYTES = 256 * MIB;
const COPY_TIMEOUT_MS = 180_000;

export const uploadDurable: Scenario = {
  name: 'upload-durable',
  describe: 'one upload of a 1 GiB file of random bytes, on the disk at the end, beside dd conv=fdatasync',
  bars: [atLeast(0.8, ratioOf('rateMibPerSec', 'sluice verified', 'dd'))],
  async prepare(context) {
    const { files, quick } = context;
    const size = quick ? GIB / 2 : GIB;
    const path = join(files.directory, await files.random(size));
    const warmUpPath = join(files.directory, await files.random(WARM_UP_BYTES));
    const plan = { path, warmUpPath, verified: true };
    return [
      copyCase(context, path, size),
      uploadCase('sluice verified', sluiceUploads('batched'), context, plan),
    ];
  },
};

/** dd on the same file system as the uploads. */
function copyCase(context: BenchContext, path: string, sizeBytes: number): Case {
  return {
    name: 'dd',
    measure: () =>
      withEmptyDirectory(context.files.directory, async (directory) => {
        const target = join(directory, 'copied');
        const startMs = performance.now();
        const dd = new Child('dd', 'dd', [`if=${path}`, `of=${target}`, 'bs=1M', 'conv=fdatasync']);
        await dd.succeed(COPY_TIMEOUT_MS);
        return { rateMibPerSec: sizeBytes / MIB / ((performance.now() - startMs) / 1000) };
      }),
  };
}
