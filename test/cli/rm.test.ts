import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { startServer, type TestServer } from '../support/test-server.ts';
import { runCommand } from './command-session.ts';

async function scene(t: TestContext): Promise<TestServer> {
  const server = await startServer(t, { writable: true, uploads: { minFree: 0 } });
  mkdirSync(server.at('tree/deep'), { recursive: true });
  for (const name of ['a', 'b', 'tree/c', 'tree/deep/d']) writeFileSync(server.at(name), name);
  return server;
}

test('a file is removed quietly, several with one line that sums up', async (t) => {
  const server = await scene(t);
  const one = await runCommand(['rm', `${server.address}/tree/c`]);
  assert.deepEqual(one, { code: 0, stderr: '', stdout: '' });
  const { code, stderr, stdout } = await runCommand(['rm', `${server.address}/a`, `${server.address}/b`]);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: '' });
  assert.match(stderr, /^2 files removed in \S+\n$/);
  assert.deepEqual([existsSync(server.at('a')), existsSync(server.at('b'))], [false, false]);
});

test('a file that is not there is 3, does not keep the others, and is no error with -f', async (t) => {
  const server = await scene(t);
  const args = ['rm', `${server.address}/absent`, `${server.address}/a`];
  assert.equal((await runCommand(args)).code, 3);
  assert.ok(!existsSync(server.at('a')));
  assert.equal((await runCommand([...args, '-f'])).code, 0);
});

test('-r leaves no empty directories, and says with --json what was removed', async (t) => {
  const server = await scene(t);
  mkdirSync(server.at('tree/deep/empty'));
  mkdirSync(server.at('tree.more'));
  const { code, stdout } = await runCommand(['rm', '-r', `${server.address}/tree`, '--json']);
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split('\n');
  assert.deepEqual(lines.slice(0, -1), [
    '{"event":"removed","name":"tree/c"}',
    '{"event":"removed","name":"tree/deep/d"}',
    '{"event":"removed","name":"tree/deep/empty","isDirectory":true}',
    '{"event":"removed","name":"tree/deep","isDirectory":true}',
    '{"event":"removed","name":"tree","isDirectory":true}',
  ]);
  assert.match(lines.at(-1) ?? '', /^\{"event":"summary","files":2,"directories":3,.*"failedNames":0,/);
  assert.deepEqual([existsSync(server.at('tree')), existsSync(server.at('tree.more'))], [false, true]);
});

test('-r keeps a directory with something that is not listed, and says so', async (t) => {
  const server = await scene(t);
  symlinkSync('../../a', server.at('tree/deep/link'));
  const { code, stderr } = await runCommand(['rm', '-r', `${server.address}/tree`]);
  assert.equal(code, 8, stderr);
  assert.match(stderr, /^tree\/deep: failed: "tree\/deep" is not empty; /m);
  assert.match(stderr, /^left out, symbolic links: 1 \(tree\/deep\/link\)$/m);
  assert.match(stderr, /^2 files removed in .*; 1 failed$/m);
  assert.deepEqual(readdirSync(server.at('tree'), { recursive: true }), ['deep', 'deep/link']);
  const { stdout } = await runCommand(['rm', '-r', '--json', `${server.address}/tree`]);
  assert.match(stdout, /^\{"event":"failed","name":"tree\/deep","code":"NOT_EMPTY",/m);
});

test('a directory, the root and another version are refused', async (t) => {
  const server = await scene(t);
  for (const [args, expected, hint] of [
    [[`${server.address}/tree`], 4, /hint: .*`sluice rm -r` for a directory/],
    [[`${server.address}/a/b`], 4, /hint: a file is in the way/],
    [[`${server.address}/`], 2],
    [[`${server.address}/a`, '--if-match', 'another'], 4],
    [[`${server.address}/a`, `${server.address}/b`, '--if-match', 'one'], 2],
    [['-r', `${server.address}/a`, '--if-match', 'one'], 2],
  ] as const) {
    const { code, stderr } = await runCommand(['rm', ...args]);
    assert.equal(code, expected, stderr);
    if (hint !== undefined) assert.match(stderr, hint);
  }
  assert.ok(existsSync(server.at('a')));
});
