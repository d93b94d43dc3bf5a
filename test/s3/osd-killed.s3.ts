/** A third of the store dies in the middle of transfers. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BucketScene } from '../support/ceph/bucket-scene.ts';
import { assertBytes, type Content, noise } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { SluiceProcess } from '../support/sluice-process.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
/** The process of one; nothing where the store is not Ceph. */
const OSD = process.env.SLUICE_TEST_CEPH_OSD;

const FILES = 4;
const SIZE = 64 * MIB;

test('downloads complete when one of three OSDs is killed', { skip: OSD === undefined }, async (t) => {
  const scene = await BucketScene.make(t);
  const contents = Array.from({ length: FILES }, (_, index) => noise(index, SIZE));
  for (const [index, content] of contents.entries()) await scene.put(`file-${index}`, content.bytes(0, SIZE));
  const { address } = await scene.served();
  const cwd = scratchDirectory(t);
  const gets = contents.map(
    (_, index) => new SluiceProcess(t, ['get', `${address}/file-${index}`, '--json'], { cwd }),
  );
  await until('all have begun', () =>
    contents.every((_, index) => existsSync(join(cwd, `file-${index}.part`))),
  );
  assert.ok(gets.some(({ hasEnded }) => !hasEnded));
  process.kill(Number(OSD), 'SIGKILL');
  const killedAtMs = performance.now();
  for (const [index, get] of gets.entries()) {
    const { code, stderr } = await get.outcome();
    assert.equal(code, 0, stderr);
    assertBytes(readFileSync(join(cwd, `file-${index}`)), contents[index] as Content, 0);
  }
  t.diagnostic(`${Math.round(performance.now() - killedAtMs)} ms from the kill to the last byte`);
});
