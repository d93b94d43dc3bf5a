/**
 * One upload with the default sync policy, beside what the disk itself does with
 * the same file: on the disk of this machine, which may be faster than anything
 * that comes over a connection, and on one whose rate is known.
 */
import { join } from 'node:path';
import { GIB, MIB } from '../../src/base/units.ts';
import { atLeast, ratioOf } from '../harness/bar.ts';
import type { Metrics } from '../harness/metrics.ts';
import { fillPageCache } from '../harness/page-cache.ts';
import { findProgram } from '../harness/programs.ts';
import type { BenchContext, Case, Scenario } from '../harness/scenario.ts';
import { ThrottledDisk } from '../harness/throttled-disk.ts';
import { measureUploads, type UploadPlan, uploadCase, withEmptyDirectory } from '../harness/uploads.ts';
import { copyByDd, copyByTcp } from '../peers/plain-copy.ts';
import { sluiceUploads } from '../peers/uploads.ts';

/** A server runs for days: compiled code is what is measured. After 256 MiB V8 still compiles, for a sixth of the next GiB's CPU time. */
const WARM_UP_BYTES = GIB;

/** About that of a SATA SSD. */
const DISK_BYTES_PER_SEC = 400 * MIB;
const DISK_BYTES = 4 * GIB;

export const uploadDurable: Scenario = {
  name: 'upload-durable',
  describe:
    'one upload of a 1 GiB file of random bytes, on the disk at the end, beside dd conv=fdatasync and a plain TCP connection to a file',
  bars: [
    atLeast(
      0.8,
      ratioOf('rateMibPerSec', 'sluice verified', 'dd'),
      'The disk of this machine takes more than even a plain TCP connection, which checks nothing, brings it; on a disk that writes 400 MiB/s (upload-durable-disk) the upload is as fast as dd.',
    ),
  ],
  async prepare(context) {
    const { path, plan, sizeBytes } = await prepareFile(context);
    const cases = [
      copyCase('dd', context, (directory) => copyByDd(path, sizeBytes, directory)),
      uploadCase('sluice verified', sluiceUploads('batched'), context, plan),
    ];
    if (findProgram('python3') !== undefined) {
      cases.push(copyCase('TCP', context, (directory) => copyByTcp(path, sizeBytes, directory)));
    }
    return cases;
  },
};

export const uploadDurableDisk: Scenario = {
  name: 'upload-durable-disk',
  describe: `one upload of a 1 GiB file of random bytes, on a disk that writes ${DISK_BYTES_PER_SEC / MIB} MiB/s, beside dd conv=fdatasync`,
  bars: [atLeast(0.8, ratioOf('rateMibPerSec', 'sluice verified', 'dd'))],
  unavailable: () => ThrottledDisk.unavailable(),
  async prepare(context) {
    const { path, plan, sizeBytes } = await prepareFile(context);
    const contender = sluiceUploads('batched');
    return [
      diskCase('dd', context, (directory) => copyByDd(path, sizeBytes, directory)),
      diskCase('sluice verified', context, (directory) => measureUploads(contender, directory, plan)),
    ];
  },
};

async function prepareFile({ files, quick }: BenchContext) {
  const sizeBytes = quick ? GIB / 2 : GIB;
  const path = join(files.directory, await files.random(sizeBytes));
  const warmUpPath = join(files.directory, await files.random(WARM_UP_BYTES));
  const plan: UploadPlan = { path, warmUpPath, verified: true };
  return { path, plan, sizeBytes };
}

/** Into an empty directory of the file system that uploads go to. */
function copyCase(name: string, { files }: BenchContext, copy: (to: string) => Promise<Metrics>): Case {
  return { name, measure: () => withEmptyDirectory(files.directory, copy) };
}

/** On a throttled disk of its own. */
function diskCase(name: string, { files }: BenchContext, work: (on: string) => Promise<Metrics>): Case {
  return {
    name,
    async measure() {
      fillPageCache(files.directory);
      const disk = new ThrottledDisk(files.directory, DISK_BYTES, DISK_BYTES_PER_SEC);
      try {
        return await work(disk.directory);
      } finally {
        disk.remove();
      }
    },
  };
}
