import assert from 'node:assert/strict';
import { constants, lstatSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Coding, IDENTITY } from '../../../src/base/coding.ts';
import { entryStatsOf } from '../../../src/base/files/entry-stats.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { MIB } from '../../../src/base/units.ts';
import type { FillJob } from '../../../src/engine/jobs/job.ts';
import { WorkerDied, WorkerPool } from '../../../src/engine/jobs/worker-pool.ts';
import { SlabPool } from '../../../src/engine/slabs/slab-pool.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { sourceFile, textBytes } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';

const gzip = (level: number): Coding => ({ codec: 'gzip', level });

describe('the worker pool', () => {
  it('replaces a thread that died before it was ready, and does the jobs that waited for it', async (t) => {
    const file = sourceFile(t, textBytes(8 * MIB));
    const slabs = new SlabPool(8 * MIB, 2);
    const workers = new WorkerPool({ threads: 1, niceness: 0, slabs, logger: silentLogger });
    t.after(() => workers.stop());
    await workers.start();
    const job: Omit<FillJob, 'slab'> = {
      kind: 'fill',
      fd: file.fd,
      pack: null,
      offset: 0,
      rawBytes: 8 * MIB,
      chunkBytes: MIB,
      details: true,
      checksums: true,
      coding: gzip(9),
      probe: false,
    };
    const atWork = workers.fill({ ...job, slab: 0 });
    const died = assert.rejects(atWork, WorkerDied);
    const waiting = workers.fill({ ...job, slab: 1, coding: IDENTITY });
    let answer = '';
    void waiting.then(({ kind }) => (answer = kind));
    await until('a thread at work', () => slabs.threadIn(0) !== 0);
    await workers.killThread();
    await died;
    // Its replacement is still starting.
    await workers.killThread();
    await until('an answer to the job that waited', () => answer !== '');
    assert.equal(answer, 'filled');
  });

  it('looks at entries in threads, and at none once these have ended', async (t) => {
    const path = scratchDirectory(t);
    writeFileSync(join(path, 'file'), 'abc');
    symlinkSync('file', join(path, 'link'));
    const slabs = new SlabPool(MIB, 2);
    const workers = new WorkerPool({ threads: 1, niceness: 0, slabs, logger: silentLogger });
    t.after(() => workers.stop());
    await workers.start();
    const looked = [];
    const paths = ['file', 'link', 'missing', '.'].map((entry) => join(path, entry));
    while (looked.length < paths.length) looked.push(...(await workers.look(paths.slice(looked.length))));
    const seen = looked.map((look) =>
      'errno' in look ? look.errno : [look.mode & constants.S_IFMT, look.size > 0],
    );
    assert.deepEqual(seen, [
      [constants.S_IFREG, true],
      [constants.S_IFLNK, true],
      'ENOENT',
      [constants.S_IFDIR, true],
    ]);
    assert.deepEqual(looked[0], entryStatsOf(lstatSync(join(path, 'file'), { bigint: true })));
    await workers.stop();
    assert.deepEqual(await workers.look(paths), []);
  });
});
