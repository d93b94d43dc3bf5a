import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { startServer, type TestServer } from '../support/test-server.ts';
import { runSluice } from './sluice-process.ts';

async function scene(t: TestContext): Promise<TestServer> {
  const server = await startServer(t, { writable: true, uploads: { minFree: 0 } });
  mkdirSync(server.at('tree/deep'), { recursive: true });
  for (const name of ['a', 'b', 'tree/c', 'tree/deep/d']) writeFileSync(server.at(name), name);
  return server;
}

test('files are removed, quietly', async (t) => {
  const server = await scene(t);
  const { code, stderr, stdout } = await runSluice(t, ['rm', `${server.address}/a`, `${server.address}/b`]);
  assert.deepEqual({ code, stderr, stdout }, { code: 0, stderr: '', stdout: '' });
  assert.deepEqual([existsSync(server.at('a')), existsSync(server.at('b'))], [false, false]);
});

test('a file that is not there is 3, does not keep the others, and is no error with -f', async (t) => {
  const server = await scene(t);
  const args = ['rm', `${server.address}/absent`, `${server.address}/a`];
  assert.equal((await runSluice(t, args)).code, 3);
  assert.ok(!existsSync(server.at('a')));
  assert.equal((await runSluice(t, [...args, '-f'])).code, 0);
});

test('-r removes all files below a directory and says which with --json', async (t) => {
  const server = await scene(t);
  const { code, stdout } = await runSluice(t, ['rm', '-r', `${server.address}/tree`, '--json']);
  assert.equal(code, 0);
  assert.deepEqual(stdout.trimEnd().split('\n').sort(), [
    '{"event":"removed","name":"tree/c"}',
    '{"event":"removed","name":"tree/deep/d"}',
  ]);
  assert.ok(existsSync(server.at('a')));
});

test('a directory, the root and another version are refused', async (t) => {
  const server = await scene(t);
  for (const [args, expected, hint] of [
    [[`${server.address}/tree`], 4, /hint: .*`sluice rm -r` removes all files below it/],
    [[`${server.address}/a/b`], 4, /hint: a file is in the way/],
    [[`${server.address}/`], 2],
    [[`${server.address}/a`, '--if-match', 'another'], 4],
    [[`${server.address}/a`, `${server.address}/b`, '--if-match', 'one'], 2],
    [['-r', `${server.address}/a`, '--if-match', 'one'], 2],
  ] as const) {
    const { code, stderr } = await runSluice(t, ['rm', ...args]);
    assert.equal(code, expected, stderr);
    if (hint !== undefined) assert.match(stderr, hint);
  }
  assert.ok(existsSync(server.at('a')));
});
