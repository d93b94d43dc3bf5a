import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../support/scratch.ts';
import { runSluice } from '../support/sluice-process.ts';
import { runCommand } from './command-session.ts';

test('each value is shown with where it came from', async (t) => {
  const file = join(scratchDirectory(t), 'sluice.yaml');
  writeFileSync(file, 'chunk:\n  size: 8KiB\n');
  const { code, stdout } = await runSluice(t, ['config', '--config', file, '--slab-count', '96'], {
    env: { SLUICE_SHUTDOWN_GRACE: '5s' },
  });
  assert.equal(code, 0);
  assert.match(stdout, /^ {2}count: 96 +# flag --slab-count$/m);
  assert.match(stdout, /^ {2}grace: 5s +# environment SLUICE_SHUTDOWN_GRACE$/m);
  assert.ok(new RegExp(`^ {2}size: 8KiB +# ${file}:2$`, 'm').test(stdout), stdout);
  assert.match(stdout, /^ {2}stallTimeout: 1m +# default$/m);
});

test('what is on by default is switched off by a flag, or by the environment', async (t) => {
  const hedge = async (args: readonly string[], env = {}) =>
    /^ {2}hedge: .*$/m
      .exec((await runSluice(t, ['config', ...args], { env })).stdout)?.[0]
      .replace(/ +/g, ' ');
  assert.equal(await hedge([]), ' hedge: true # default');
  assert.equal(await hedge(['--no-s3-hedge']), ' hedge: false # flag --no-s3-hedge');
  const env = { SLUICE_S3_HEDGE: 'false' };
  assert.equal(await hedge([], env), ' hedge: false # environment SLUICE_S3_HEDGE');
  assert.equal(
    await hedge(['--no-s3-hedge'], { SLUICE_S3_HEDGE: 'true' }),
    ' hedge: false # flag --no-s3-hedge',
  );
});

test('the output is a configuration file that means the same', async (t) => {
  const file = join(scratchDirectory(t), 'sluice.yaml');
  const first = await runCommand(['config', '--json', '--slab-count', '96', '--root', 'a "b": #c']);
  const yaml = await runCommand(['config', '--slab-count', '96', '--root', 'a "b": #c']);
  writeFileSync(file, yaml.stdout);
  const second = await runCommand(['config', '--json', '--config', file]);
  assert.deepEqual(valuesOf(second.stdout), valuesOf(first.stdout));
});

test('the defaults are a file to start from', async (t) => {
  const file = join(scratchDirectory(t), 'sluice.yaml');
  writeFileSync(file, (await runCommand(['config', '--default'])).stdout);
  const { code, stderr } = await runCommand(['config', '--config', file]);
  assert.equal(code, 0, stderr);
});

test('the memory bound is shown as a sum', async () => {
  const { stdout } = await runCommand(['config', '--pool-threads', '2']);
  assert.match(
    stdout,
    /^# Transfers hold at most \d+ MiB:\n# {3}\(slab\.size 512KiB \+ 4KiB for headers\) × slab\.count 64 = 32\.3 MiB$/m,
  );
});

test('an unusable configuration ends with 2', async () => {
  const { code, stderr } = await runCommand(['config', '--slab-size', '64MiB', '--slab-count', '65536']);
  assert.equal(code, 2);
  assert.match(stderr, /lower slab\.count to/);
});

function valuesOf(json: string): Record<string, unknown> {
  const { settings } = JSON.parse(json) as { settings: Record<string, { value: unknown }> };
  return Object.fromEntries(Object.entries(settings).map(([key, { value }]) => [key, value]));
}
