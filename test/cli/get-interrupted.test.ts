import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
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

function partBytes(directory: string): number {
  const part = readdirSync(directory).find((name) => name.endsWith('.part'));
  return part === undefined ? 0 : statSync(join(directory, part)).size;
}
