import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertBytes, noise } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { runSluice, SluiceProcess } from '../support/sluice-process.ts';
import { MIB, startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { startPausingRelay } from './pausing-relay.ts';

const SIZE = 24 * MIB;
const PASSED = 12 * MIB;

test('Ctrl-C keeps what has arrived, says how to resume, and resuming fetches only the rest', async (t) => {
  const server = await startServer(t, { compression: { mode: 'off' } });
  server.write('a b.bin', noise(1, SIZE));
  const cwd = scratchDirectory(t);
  const relay = await startPausingRelay(t, server.port, PASSED);

  const get = new SluiceProcess(t, ['get', `${relay}/a b.bin`], { cwd });
  await until('bytes are in the part', () => partBytes(cwd) > MIB, { state: () => get.stderr });
  get.process.kill('SIGINT');
  const { code, stderr } = await get.outcome();
  assert.equal(code, 130);
  assert.match(stderr, new RegExp(`resume with\\n  sluice get '${relay}/a b\\.bin'`));
  assert.ok(!readdirSync(cwd).includes('a b.bin'));

  const resumed = await runSluice(t, ['get', `${server.address}/a b.bin`, '--json'], { cwd });
  assert.equal(resumed.code, 0, resumed.stderr);
  const done = JSON.parse(String(resumed.stdout.trimEnd().split('\n').at(-1))) as Record<string, unknown>;
  assert.ok(Number(done.resumedBytes) > 0, resumed.stdout);
  assert.equal(done.bytes, SIZE);
  assertBytes(readFileSync(join(cwd, 'a b.bin')), noise(1, SIZE), 0);
  assert.deepEqual(readdirSync(cwd), ['a b.bin']);
});

test('interrupted on the way to standard output, the message does not promise to resume', async (t) => {
  const server = await startServer(t, { compression: { mode: 'off' } });
  server.write('a.bin', noise(1, SIZE));
  const relay = await startPausingRelay(t, server.port, PASSED);
  const get = new SluiceProcess(t, ['get', `${relay}/a.bin`, '-o', '-']);
  await until('bytes arrive', () => get.stdout.length > 0);
  get.process.kill('SIGINT');
  const { code, stderr } = await get.outcome();
  assert.equal(code, 130);
  assert.match(stderr, /standard output cannot be resumed/);
});

test('Ctrl-C keeps the small files of a tree that are whole, and resuming fetches the rest', async (t) => {
  const server = await startServer(t, { compression: { mode: 'off' } });
  const files = Array.from({ length: 1500 }, (_, i) => [`d${i % 5}/${i}`, noise(i, 4096)] as const);
  for (let d = 0; d < 5; d++) mkdirSync(server.at(`d${d}`));
  for (const [name, content] of files) server.write(name, content);
  const to = join(scratchDirectory(t), 'to');
  const wholeFiles = () => {
    const there = files.filter(([name]) => existsSync(join(to, name)));
    for (const [name, content] of there) assertBytes(readFileSync(join(to, name)), content, 0);
    const others = readdirSync(to, { recursive: true, withFileTypes: true });
    assert.equal(others.filter((entry) => entry.isFile()).length, there.length);
    assert.ok(readdirSync(to).every((name) => /^d\d$/.test(name)));
    return there.length;
  };
  const relay = await startPausingRelay(t, server.port, 4 * MIB);

  const get = new SluiceProcess(t, ['get', '-r', `${relay}/`, '-o', to]);
  const count = () => (existsSync(to) ? readdirSync(to, { recursive: true }).length : 0);
  await until('files are there', () => count() > 700, { state: () => [count(), get.stderr] });
  get.process.kill('SIGINT');
  const { code, stderr } = await get.outcome();
  assert.equal(code, 130, stderr);
  const some = wholeFiles();
  assert.ok(some > 600 && some < files.length, String(some));

  const resumed = await runSluice(t, ['get', '-r', `${server.address}/`, '-o', to]);
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.equal(wholeFiles(), files.length);
});

function partBytes(directory: string): number {
  const part = readdirSync(directory).find((name) => name.endsWith('.part'));
  return part === undefined ? 0 : statSync(join(directory, part)).size;
}
