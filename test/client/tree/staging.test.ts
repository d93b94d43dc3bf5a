import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isStagingName, Staging } from '../../../src/client/tree/staging.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const CONTENT = Buffer.from('content');

test('a file gets its content, time and mode at once, and nothing stays in the staging directory', (t) => {
  const tree = scratchDirectory(t);
  const staging = new Staging(tree, 'a');
  const path = join(tree, 'file');
  assert.equal(staging.write({ path, modifiedMs: 1_600_000_000_123, mode: 0o640 }, CONTENT, true), true);
  assert.deepEqual(readFileSync(path), CONTENT);
  const { mode, mtimeMs } = statSync(path);
  assert.equal(mode & 0o777, 0o640);
  assert.ok(Math.abs(mtimeMs - 1_600_000_000_123) < 1);
  const [directory = ''] = readdirSync(tree).filter(isStagingName);
  assert.deepEqual(readdirSync(join(tree, directory)), []);
  staging.close();
  assert.deepEqual(readdirSync(tree), ['file']);
});

test('what takes more than a rename is left to a transfer of its own, and nothing is written', (t) => {
  const tree = scratchDirectory(t);
  const outside = scratchDirectory(t);
  const staging = new Staging(tree, 'a');
  t.after(() => staging.close());
  mkdirSync(join(tree, 'directory'));
  writeFileSync(join(outside, 'aim'), 'safe');
  symlinkSync(join(outside, 'aim'), join(tree, 'link'));
  writeFileSync(join(tree, 'there'), 'there');
  const write = (name: string, overwrite = true) =>
    staging.write({ path: join(tree, name), modifiedMs: 0 }, CONTENT, overwrite);
  assert.equal(write('directory'), false);
  assert.equal(write('link'), false);
  assert.equal(write('missing/file'), false);
  assert.equal(write('there/file'), false);
  assert.equal(write('there', false), false);
  assert.equal(write('new', false), true);
  assert.equal(readFileSync(join(outside, 'aim'), 'utf8'), 'safe');
  assert.ok(lstatSync(join(tree, 'link')).isSymbolicLink());
  assert.equal(readFileSync(join(tree, 'there'), 'utf8'), 'there');
});

test('what an ended process left is removed, what a running one uses is not', (t) => {
  const tree = scratchDirectory(t);
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const left = join(tree, `.sluice-staging-${hostname()}-${pid}-b`);
  const used = join(tree, `.sluice-staging-${hostname()}-${process.ppid}-c`);
  const elsewhere = join(tree, '.sluice-staging-another.host-1-d');
  for (const path of [left, used, elsewhere]) mkdirSync(path);
  writeFileSync(join(left, '1'), 'half');
  const staging = new Staging(tree, 'a');
  t.after(() => staging.close());
  assert.equal(existsSync(left), false);
  assert.equal(existsSync(used), true);
  assert.equal(existsSync(elsewhere), true);
});
