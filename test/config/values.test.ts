import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TransferError } from '../../src/base/errors.ts';
import { parseConfigText } from '../../src/config/config-file.ts';
import { loadConfig } from '../../src/config/load.ts';

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig({ env });
  } catch (error) {
    assert(error instanceof TransferError);
    assert.equal(error.code, 'INVALID_CONFIG');
    return error.message.split('\n').slice(1);
  }
  return [];
}

test('sizes and durations have units', () => {
  const { config } = loadConfig({
    env: { SLUICE_SLAB_SIZE: '1.5MiB', SLUICE_CHUNK_SIZE: '65536', SLUICE_SHUTDOWN_GRACE: '250ms' },
  });
  assert.equal(config.slab.size, 1_572_864);
  assert.equal(config.chunk.size, 65_536);
  assert.equal(config.shutdown.grace, 250);
});

test('a wrong value says what is expected, with an example', () => {
  for (const [name, value, expected] of [
    ['SLUICE_SLAB_SIZE', 'big', '"big" is not a size; expected a size from 16KiB to 64MiB, such as 64KiB'],
    ['SLUICE_SLAB_SIZE', '1GiB', '"1GiB" is too large; expected a size from 16KiB to 64MiB, such as 64KiB'],
    [
      'SLUICE_SLAB_COUNT',
      '-1',
      '"-1" is not a whole number; expected a whole number from 4 to 65536, such as 64',
    ],
    [
      'SLUICE_STREAM_STALL_TIMEOUT',
      '5ms',
      '"5ms" is too small; expected a duration from 100ms to 24h, such as 30s',
    ],
    ['SLUICE_INSECURE', 'yes', '"yes" is not true or false; expected true or false'],
    ['SLUICE_COMPRESSION_MODE', 'on', '"on" is not one of the choices; expected auto or off'],
  ] as const) {
    assert.ok(problemsOf({ [name]: value })[0]?.endsWith(`(environment ${name}): ${expected}`), name);
  }
});

test('a duration without a unit is refused, from the file too', () => {
  assert.match(String(problemsOf({ SLUICE_SHUTDOWN_GRACE: '30' })[0]), /is a duration without a unit/);
  const { values } = parseConfigText('shutdown: { grace: 30 }', 'x.yaml');
  assert.equal(values.get('shutdown.grace')?.raw, '30');
});

test('0 is a duration without a unit', () => {
  assert.equal(loadConfig({ env: { SLUICE_SHUTDOWN_GRACE: '0' } }).config.shutdown.grace, 0);
});

test('programs give durations as milliseconds', () => {
  assert.equal(loadConfig({ flags: { 'shutdown.grace': 30 } }).config.shutdown.grace, 30);
});

test('all problems are reported at once', () => {
  const problems = problemsOf({ SLUICE_SLAB_SIZE: 'big', SLUICE_POOL_THREADS: 'many', SLUICE_X: '1' });
  assert.equal(problems.length, 3);
});

test('a value is validated even where a more important place overrides it', () => {
  assert.throws(() => loadConfig({ env: { SLUICE_SLAB_COUNT: 'many' }, flags: { 'slab.count': 64 } }), {
    message: /environment SLUICE_SLAB_COUNT/,
  });
});

test('an empty variable counts as not set', () => {
  assert.equal(loadConfig({ env: { SLUICE_SLAB_COUNT: '' } }).config.slab.count, 64);
});

test('an empty group or entry in the file counts as not set', () => {
  const { values, problems } = parseConfigText('tls:\n  # cert: x\nslab:\n  count:\n', 'x.yaml');
  assert.deepEqual(problems, []);
  assert.equal(values.size, 0);
});

test('an empty file sets nothing', () => {
  assert.deepEqual(parseConfigText('# nothing\n', 'x.yaml').problems, []);
});

test('what is not a settings file is refused with the line', () => {
  for (const [text, problem] of [
    ['a: [', /^x\.yaml:1: not valid YAML/],
    ['just words', /^x\.yaml:1: expected settings/],
    ['- 1\n', /^x\.yaml:1: expected settings/],
    ['slab: 4\n', /^x\.yaml:1: slab is a group/],
    ['listen: { host: x }\n', /^x\.yaml:1: listen is one setting/],
    ['slab: { count: 5 }\nslab.count: 6\n', /^x\.yaml:2: slab\.count is set twice/],
    ['root: &a x\nlisten: *a\n', /^x\.yaml:2: listen: aliases are not supported/],
  ] as const) {
    assert.match(String(parseConfigText(text, 'x.yaml').problems[0]), problem, text);
  }
});

test('a file that is missing or a directory is a problem', () => {
  assert.throws(() => loadConfig({ filePath: '/nowhere/sluice.yaml' }), { message: /there is no such file/ });
  assert.throws(() => loadConfig({ filePath: '/' }), { message: /is a directory/ });
});
