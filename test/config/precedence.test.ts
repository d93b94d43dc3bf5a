import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { SETTINGS } from '../../src/config/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
after(() => rmSync(folder, { recursive: true }));

const file = join(folder, 'sluice.yaml');
writeFileSync(file, 'chunk:\n  size: 8KiB\nslab:\n  count: 100\nstream:\n  jobsInFlight: 7\n');

test('a flag wins over the environment, the environment over the file, the file over the default', () => {
  const { config, sources } = loadConfig({
    filePath: file,
    env: { SLUICE_SLAB_COUNT: '200', SLUICE_STREAM_JOBS_IN_FLIGHT: '8' },
    flags: { 'stream.jobsInFlight': '9' },
  });
  assert.equal(config.stream.jobsInFlight, 9);
  assert.equal(config.slab.count, 200);
  assert.equal(config.chunk.size, 8192);
  assert.equal(config.stream.stallTimeout, 60_000);

  assert.deepEqual(sources.get('stream.jobsInFlight'), { kind: 'flag', name: '--stream-jobs-in-flight' });
  assert.deepEqual(sources.get('slab.count'), { kind: 'environment', name: 'SLUICE_SLAB_COUNT' });
  assert.deepEqual(sources.get('chunk.size'), { kind: 'file', path: file, line: 2 });
  assert.deepEqual(sources.get('stream.stallTimeout'), { kind: 'default' });
});

test('the source of every setting is known', () => {
  const { sources } = loadConfig({});
  assert.deepEqual(
    [...sources.keys()],
    SETTINGS.map((each) => each.key),
  );
});

test('a flag that is undefined counts as not given', () => {
  const { sources } = loadConfig({ flags: { 'slab.count': undefined } });
  assert.deepEqual(sources.get('slab.count'), { kind: 'default' });
});

test('SLUICE_CONFIG names the file when --config does not', () => {
  const { config } = loadConfig({ env: { SLUICE_CONFIG: file } });
  assert.equal(config.slab.count, 100);
});

test('--config wins over SLUICE_CONFIG', () => {
  const { config } = loadConfig({ filePath: file, env: { SLUICE_CONFIG: join(folder, 'absent.yaml') } });
  assert.equal(config.slab.count, 100);
});
