import assert from 'node:assert/strict';
import { type BigIntStats, closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isMultigrainKernel, settledStats } from '../../../src/base/files/settled-stats.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const stampOf = ({ ctimeNs, mtimeNs }: BigIntStats) => `${mtimeNs} ${ctimeNs}`;

describe('settled stats', () => {
  it('are other ones after any write, however soon it comes', async (t) => {
    const fd = openSync(join(scratchDirectory(t), 'file'), 'w');
    t.after(() => closeSync(fd));
    for (let round = 0; round < 50; round++) {
      writeSync(fd, 'a', 0);
      const settled = await settledStats(fd);
      // The size stays the same: only the stamps tell.
      writeSync(fd, 'b', 0);
      assert.notEqual(stampOf(fstatSync(fd, { bigint: true })), stampOf(settled));
    }
  });

  it('are looked at a few times, no more, of a file that somebody keeps writing to', async (t) => {
    const path = join(scratchDirectory(t), 'file');
    const fd = openSync(path, 'w');
    t.after(() => closeSync(fd));
    let looks = 0;
    // Of no file system that is known: it cannot be asked for.
    await settledStats(-1, async () => {
      looks += 1;
      writeSync(fd, 'a', 0);
      return fstatSync(fd, { bigint: true });
    });
    assert.equal(looks, 4);
  });

  it('are precise from Linux 6.13 on', () => {
    const versions = ['5.15.0-1', '6.1.0', '6.12.9-arch1', '6.13.0', '6.18.44-fc', '7.0', 'unknown'];
    assert.deepEqual(versions.filter(isMultigrainKernel), ['6.13.0', '6.18.44-fc', '7.0']);
  });
});
