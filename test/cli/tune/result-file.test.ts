import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { checkResultFile, configText, saveResult } from '../../../src/cli/tune/result-file.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const RESULT = {
  settings: { 'slab.count': 128, 'slab.size': 1_048_576 },
  gain: { median: 1.05, low: 1.03, high: 1.08, rounds: 7 },
  isInterrupted: false,
  typicalSpread: 0.04,
  notMeasured: [],
};

const NOTHING = { ...RESULT, settings: {}, gain: undefined };

function isRefusal(pattern: RegExp) {
  return (reason: unknown) =>
    reason instanceof TransferError && reason.code === 'INVALID_CONFIG' && pattern.test(reason.message);
}

test('a new file has the settings, and says what they gain', (t) => {
  const path = join(scratchDirectory(t), 'sluice.yaml');
  checkResultFile({ path, force: false });
  assert.ok(saveResult(RESULT, { path, force: false }));
  const text = readFileSync(path, 'utf8');
  assert.match(text, /^# sluice tune, .*: \+5\.0 % over the defaults \(\+3\.0 … \+8\.0 %\)\n/);
  const { config } = loadConfig({ filePath: path });
  assert.equal(config.slab.count, 128);
  assert.equal(config.slab.size, 1_048_576);
});

test('where the defaults are as good, a new file says that and sets nothing', (t) => {
  const path = join(scratchDirectory(t), 'sluice.yaml');
  assert.ok(saveResult(NOTHING, { path, force: false }));
  assert.match(readFileSync(path, 'utf8'), /^# .*: the defaults are as good\n$/);
  assert.deepEqual(loadConfig({ filePath: path }).config, loadConfig({}).config);
  assert.equal(configText(NOTHING), readFileSync(path, 'utf8'));
});

test('where the noise hides gains, the file does not say that the defaults are as good', () => {
  assert.match(configText({ ...NOTHING, typicalSpread: 0.5 }), /: nothing clearly faster\n$/);
});

test('a file that exists keeps what is not tuned, and stays as it is when nothing is recommended', (t) => {
  const path = join(scratchDirectory(t), 'sluice.yaml');
  const before = '# ours\nlisten: 127.0.0.1:7 # here\n';
  writeFileSync(path, before);
  chmodSync(path, 0o600);
  checkResultFile({ path, force: false });
  assert.equal(saveResult(NOTHING, { path, force: false }), false);
  assert.equal(readFileSync(path, 'utf8'), before);
  assert.ok(saveResult(RESULT, { path, force: false }));
  assert.ok(readFileSync(path, 'utf8').startsWith(before));
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a value in the file changes only with --force', (t) => {
  const path = join(scratchDirectory(t), 'sluice.yaml');
  writeFileSync(path, 'slab:\n  count: 16 # mine\n');
  assert.throws(
    () => checkResultFile({ path, force: false }),
    isRefusal(/sets slab\.count already; --force/),
  );
  checkResultFile({ path, force: true });
  saveResult(RESULT, { path, force: true });
  assert.match(readFileSync(path, 'utf8'), /count: 128 # mine/);
});

test('a file that is no configuration is refused before anything is measured', (t) => {
  const path = join(scratchDirectory(t), 'sluice.yaml');
  writeFileSync(path, 'slabs: 3\n');
  assert.throws(() => checkResultFile({ path, force: true }), isRefusal(/did you mean/));
});

test('a directory is taken for the one to measure, and the message says how to write that', (t) => {
  const path = scratchDirectory(t);
  assert.throws(() => checkResultFile({ path, force: false }), isRefusal(/sluice tune .* --write/));
});

test('a file in a directory that is not there is refused before anything is measured', (t) => {
  const path = join(scratchDirectory(t), 'absent', 'sluice.yaml');
  assert.throws(() => checkResultFile({ path, force: false }), isRefusal(/there is no directory/));
});

test('a file that would no longer be valid stays as it is', (t) => {
  const directory = scratchDirectory(t);
  const path = join(directory, 'sluice.yaml');
  const before = 'limits:\n  streams: 1000\nstream:\n  firstMessage: 1MiB\nslab:\n  size: 1MiB\n';
  writeFileSync(path, before);
  const tooSmall = {
    ...RESULT,
    settings: { 'slab.size': 65_536, 'chunk.size': 65_536, 'chunk.maxSize': 65_536 },
  };
  assert.throws(() => saveResult(tooSmall, { path, force: true }), isRefusal(/stream\.firstMessage/));
  assert.equal(readFileSync(path, 'utf8'), before);
  assert.deepEqual(readdirSync(directory), ['sluice.yaml']);
});

test('a symbolic link stays one', (t) => {
  const directory = scratchDirectory(t);
  const [path, target] = [join(directory, 'sluice.yaml'), join(directory, 'real.yaml')];
  writeFileSync(target, 'insecure: false\n');
  symlinkSync(target, path);
  saveResult(RESULT, { path, force: false });
  assert.ok(lstatSync(path).isSymbolicLink());
  assert.match(readFileSync(target, 'utf8'), /count: 128/);
});
