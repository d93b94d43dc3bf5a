import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isOfThisHost, isRunning, isVisible, thisProcess } from '../../../src/base/files/process-identity.ts';
import { until } from '../../support/until.ts';

const withoutProc = process.platform === 'linux' ? false : 'only Linux tells when a process started';

test('this process runs, on this host', async () => {
  const self = await thisProcess();
  assert.ok(isOfThisHost(self));
  assert.ok(!isOfThisHost({ ...self, host: 'elsewhere' }));
  assert.ok(await isRunning(self));
});

test('a process that has ended does not run', async () => {
  const { pid } = spawnSync(process.execPath, ['--version']);
  assert.ok(!(await isRunning({ ...(await thisProcess()), pid })));
});

test('a later process with the same id is another one', { skip: withoutProc }, async () => {
  const self = await thisProcess();
  assert.ok(!(await isRunning({ ...self, start: String(Number(self.start) - 1) })));
});

test('a process of another boot, PID namespace or host cannot be seen from here', {
  skip: withoutProc,
}, async () => {
  const self = await thisProcess();
  assert.ok(await isVisible(self));
  assert.ok(await isVisible({ ...self, host: 'renamed since' }));
  assert.ok(!(await isVisible({ ...self, boot: 'another' })));
  assert.ok(!(await isVisible({ ...self, namespace: 'pid:[1]' })));
  assert.ok(!(await isVisible({ ...self, host: 'elsewhere', namespace: '' })));
});

test('without the time of its start, a process is known by its id', async () => {
  assert.ok(await isRunning({ ...(await thisProcess()), start: '' }));
});

test('a process that nobody has collected does not run', { skip: withoutProc }, async (t) => {
  // The program that takes the place of the shell does not know of its child.
  const parent = spawn('sh', ['-c', 'read line <&3 & echo $!; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  });
  t.after(() => parent.kill('SIGKILL'));
  assert.ok(parent.stdout);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  const stats = () => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const child = { ...(await thisProcess()), pid, start: stats()[19] ?? '' };
  assert.ok(await isRunning(child));
  process.kill(pid, 'SIGKILL');
  await until('the child is a zombie', () => stats()[0] === 'Z', { state: stats });
  assert.ok(!(await isRunning(child)));
});
