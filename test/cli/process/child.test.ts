import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child } from '../../../src/cli/process/child.ts';
import { until, within } from '../../support/until.ts';

function node(script: string, options = {}): Child {
  return new Child('a program', process.execPath, ['-e', script], options);
}

test('finds what is said on either output, also what was said before', async () => {
  const child = node(`console.log('first 1'); console.error('second 2'); console.log('third 3');`);
  assert.equal((await child.says(/third (\d)/))[1], '3');
  assert.equal((await child.says(/first (\d)/))[1], '1');
  assert.equal((await child.says(/second (\d)/))[1], '2');
  await child.succeed();
});

test('an end without what was waited for is an error that quotes standard error', async () => {
  const child = node(`console.error('no room'); process.exit(3);`);
  await assert.rejects(child.says(/ready/), /a program ended without saying \/ready\/:\nno room$/);
  await assert.rejects(child.succeed(), /a program failed \(3\):\nno room$/);
});

test('a program that does not exist is an error that names it', async () => {
  const child = new Child('a program', '/nowhere/program', []);
  await assert.rejects(child.succeed(), /a program failed .*ENOENT/s);
  assert.throws(() => child.pid, /could not be started/);
  await child.end();
});

test('a wait that takes too long ends the program', async () => {
  const child = node('setInterval(() => {}, 1000);');
  await assert.rejects(child.says(/ready/, 1), /killed after 1 ms/);
  assert.equal(child.process.signalCode, 'SIGKILL');
});

test('answers questions in order, and ends with the signal of its options', async () => {
  const stop = new AbortController();
  const child = node(`process.on('message', (n) => process.send(n * 2));`, {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    signal: stop.signal,
    killSignal: 'SIGKILL',
  });
  assert.deepEqual([await child.ask(1), await child.ask(2)], [2, 4]);
  const unanswered = assert.rejects(child.ask(Number.NaN), /AbortError|aborted/);
  stop.abort();
  await unanswered;
  await within('the program is gone', child.ended);
  assert.equal(child.process.signalCode, 'SIGKILL');
});

test('a program ends with the process that started it', async (t) => {
  const module = fileURLToPath(new URL('../../../src/cli/process/child.js', import.meta.url));
  const parent = node(
    `import(${JSON.stringify(module)}).then(({ Child }) => {
    const { pid } = new Child('a program', process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    console.log(pid);
    process.stdin.resume().once('end', () => process.exit());
  });`,
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  t.after(() => parent.end());
  const pid = Number(await parent.says(/^\d+(?=\n)/));
  assert(isThere(pid));
  parent.process.stdin?.end();
  await parent.succeed();
  await until('the program is gone', () => !isThere(pid));
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
