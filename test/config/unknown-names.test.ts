import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfigText } from '../../src/config/config-file.ts';
import { readEnvironment } from '../../src/config/environment.ts';
import { loadConfig } from '../../src/config/load.ts';
import { nearestName } from '../../src/config/nearest-name.ts';
import { SETTINGS } from '../../src/config/settings.ts';

const KEYS = SETTINGS.map((each) => each.key);

test('an unknown key in the file is an error with its line and the nearest key', () => {
  const { problems } = parseConfigText('slab:\n  sise: 1MiB\n', 'x.yaml');
  assert.deepEqual(problems, ['x.yaml:2: there is no setting "slab.sise"; did you mean "slab.size"?']);
});

test('an unknown group is an error', () => {
  const { problems } = parseConfigText('treads: { count: 4 }\n', 'x.yaml');
  assert.match(
    String(problems[0]),
    /^x\.yaml:1: there is no setting "treads"; did you mean "pool\.threads"\?$/,
  );
});

test('an unknown variable with the prefix is an error that names the nearest one', () => {
  const { problems } = readEnvironment({ SLUICE_SLABCOUNT: '4', PATH: '/bin' });
  assert.deepEqual(problems, [
    'SLUICE_SLABCOUNT: there is no such environment variable; did you mean SLUICE_SLAB_COUNT?',
  ]);
});

test('an unknown key of a program is an error', () => {
  // @ts-expect-error The compiler says so too.
  assert.throws(() => loadConfig({ flags: { 'slab.cuont': 4 } }), {
    code: 'INVALID_CONFIG',
    message: /"slab\.cuont"; did you mean "slab\.count"\?/,
  });
});

test('the words of other programs lead to ours', () => {
  for (const [name, key] of [
    ['port', 'listen'],
    ['threads', 'pool.threads'],
    ['workers', 'pool.threads'],
    ['slab_size', 'slab.size'],
    ['limit.connection', 'limits.connections'],
  ] as const) {
    assert.equal(nearestName(name, KEYS), key, name);
  }
});

test('what Kubernetes injects for a service called sluice is not an error', () => {
  const { problems, values } = readEnvironment({
    SLUICE_SERVICE_HOST: '10.0.0.7',
    SLUICE_SERVICE_PORT: '50051',
    SLUICE_SERVICE_PORT_GRPC: '50051',
    SLUICE_PORT: 'tcp://10.0.0.7:50051',
    SLUICE_PORT_50051_TCP: 'tcp://10.0.0.7:50051',
    SLUICE_PORT_50051_TCP_ADDR: '10.0.0.7',
    SLUICE_EDGE_SERVICE_HOST: '10.0.0.8',
    SLUICE_EDGE_PORT: 'tcp://10.0.0.8:80',
  });
  assert.deepEqual(problems, []);
  assert.equal(values.size, 0);
});

test('SLUICE_PORT with a number is somebody who means listen', () => {
  const { problems } = readEnvironment({ SLUICE_PORT: '8080' });
  assert.match(String(problems[0]), /did you mean SLUICE_LISTEN\?/);
});
