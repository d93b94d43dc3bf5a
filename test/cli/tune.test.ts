/** `sluice tune` as a program: real servers, real loads, short. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { noise, writeContent } from '../support/content.ts';
import { scratchDirectory, scratchRoot } from '../support/scratch.ts';
import { runSluice, SluiceProcess } from '../support/sluice-process.ts';
import { KIB } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { runCommand } from './command-session.ts';

const SHORT = ['--only', 'slab.count', '--rounds', '1', '--time', '100ms', '--streams', '4'];

function rootWithFile(t: TestContext): string {
  const root = scratchRoot(t);
  writeContent(join(root, 'a.bin'), noise(1, 512 * KIB));
  return root;
}

/** The programs that run beneath a directory: servers name it as their root. */
function serversOf(root: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(commandLineOf)
    .filter((line) => line.includes('serve') && line.includes(root));
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    // It has ended since the directory was read.
    return '';
  }
}

test('a table goes to standard error, a configuration to standard output and to the file; the environment does not count', async (t) => {
  const root = rootWithFile(t);
  const path = join(scratchDirectory(t), 'sluice.yaml');
  const { code, stderr, stdout } = await runSluice(t, ['tune', root, ...SHORT, '--write', path], {
    env: { SLUICE_SLAB_COUNT: '4096', SLUICE_LISTEN: 'nonsense' },
  });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^1 file, 512 KiB, not compressible \(the largest of /m);
  assert.match(stderr, /^slab\.count, medians of 1 round$/m);
  for (const value of ['64', '32', '128'])
    assert.match(stderr, new RegExp(`^ {2}${value} +[\\d.]+ +[\\d.]+`, 'm'));
  assert.match(stderr, /^The defaults are as good: /m);
  assert.match(stderr, /^saved to .*sluice\.yaml; use it with sluice serve --config /m);
  assert.equal(readFileSync(path, 'utf8'), stdout);
  assert.equal((await runCommand(['config', '--config', path])).code, 0);
  assert.deepEqual(serversOf(root), []);
});

test('with --json every line is an object, the last one the result; a directory without files gets a generated one', async (t) => {
  const { code, stderr, stdout } = await runSluice(t, ['tune', scratchRoot(t), ...SHORT, '--json']);
  assert.equal(code, 0, stderr);
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const notes = events.filter(({ event }) => event === 'note').map(({ text }) => String(text));
  assert.ok(notes.some((text) => text.includes('has no files to read; a generated one takes their place')));
  const names = events.map(({ event }) => event).filter((name) => name !== 'note');
  assert.equal(names[0], 'plan');
  assert.equal(names[1], 'comparison');
  assert.equal(names.at(-1), 'result');
  assert.equal(events.at(-1)?.isInterrupted, false);
});

test('Ctrl-C shows what was measured, leaves the file alone, ends every server, removes a generated file, and exits with 130', async (t) => {
  const temporary = scratchDirectory(t);
  const path = join(scratchDirectory(t), 'sluice.yaml');
  const args = ['--only', 'slab.count', '--rounds', '50', '--time', '1h', '--streams', '4', '--write', path];
  const tune = new SluiceProcess(t, ['tune', scratchRoot(t), ...args, '--json'], {
    env: { TMPDIR: temporary },
  });
  await tune.says(/"event":"plan"/);
  await until('servers run', () => serversOf(temporary).length === 3);
  assert.equal(readdirSync(temporary).length, 1);
  tune.process.kill('SIGINT');
  const { code, stderr, stdout } = await tune.outcome();
  assert.equal(code, 130, stderr);
  const result = JSON.parse(String(stdout.trimEnd().split('\n').at(-1))) as Record<string, unknown>;
  assert.equal(result.isInterrupted, true);
  assert.equal(existsSync(path), false);
  assert.deepEqual(result.notMeasured, ['slab.count']);
  assert.match(stderr, /sluice\.yaml was not written/);
  assert.deepEqual(serversOf(temporary), []);
  assert.deepEqual(readdirSync(temporary), []);
});

test('when it is killed its servers end as well', async (t) => {
  const temporary = scratchDirectory(t);
  const tune = new SluiceProcess(t, ['tune', scratchRoot(t), '--only', 'slab.count', '--time', '1h'], {
    env: { TMPDIR: temporary },
  });
  await tune.says(/generated: half text, half noise/);
  await until('servers run', () => serversOf(temporary).length === 3);
  tune.process.kill('SIGKILL');
  await tune.outcome();
  await until('no server runs', () => serversOf(temporary).length === 0);
});

test('wrong usage is found before anything is measured', async (t) => {
  const root = rootWithFile(t);
  const taken = join(scratchDirectory(t), 'sluice.yaml');
  writeFileSync(taken, 'slab:\n  count: 16\n');
  for (const [args, message] of [
    [[join(root, 'absent')], /absent" does not exist/],
    [[root, '--only', 'slab.cuont'], /did you mean slab\.count\?/],
    [[root, '--time', '30'], /such as 500ms, 90s/],
    [[root, '--force'], /--force is for --write/],
    [[root, '--write', taken], /sets slab\.count already/],
    [['--write', root], /--write names a file/],
  ] as const) {
    const { code, stderr, stdout } = await runCommand(['tune', ...args]);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, message);
  }
});
