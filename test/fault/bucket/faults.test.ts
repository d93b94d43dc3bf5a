/** A server whose object store has bad moments: right bytes or the documented code, never wrong bytes. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runThroughFaults } from '../../support/bucket/bucket-faults.ts';
import { servedModel } from '../../support/bucket/served-model.ts';
import { noise } from '../../support/content.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { Random, seedOf } from '../../support/seed.ts';
import { runSluice } from '../../support/sluice-process.ts';

test('downloads, listings, packs, writes and deletes through faults of the store', async (t) => {
  const random = new Random(seedOf(t));
  await runThroughFaults(t, await servedModel(t), random, { operations: 15, hangs: false });
});

test('a file that the store gives damaged is not there, and is right when it is asked for again', async (t) => {
  const { address, proxy, put } = await servedModel(t);
  const content = noise(1, 3_000_000).bytes(0, 3_000_000);
  await put('a', content);
  let isDamaged = false;
  proxy.fault = ({ headers, key, method }) => {
    if (isDamaged || key !== 'a' || method !== 'GET' || headers.range === undefined) return undefined;
    isDamaged = true;
    return { kind: 'flip' };
  };
  const cwd = scratchDirectory(t);
  const first = await runSluice(t, ['get', `${address}/a`], { cwd });
  assert.equal(first.code, 6, first.stderr);
  assert.match(first.stderr, /checksum that the object store keeps/);
  assert.equal(existsSync(join(cwd, 'a')), false);
  const again = await runSluice(t, ['get', `${address}/a`], { cwd });
  assert.equal(again.code, 0, again.stderr);
  assert.ok(content.equals(readFileSync(join(cwd, 'a'))));
});
