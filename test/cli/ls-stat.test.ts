import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { lines } from '../support/content.ts';
import { SluiceProcess } from '../support/sluice-process.ts';
import { startServer, type TestServer } from '../support/test-server.ts';
import { runCommand } from './command-session.ts';

async function startWithFiles(t: TestContext): Promise<TestServer> {
  const server = await startServer(t);
  mkdirSync(server.at('dir'));
  server.write('a.txt', lines(1536));
  server.write('dir/b.txt', lines(10));
  utimesSync(server.at('a.txt'), 1_000_000_000, 1_000_000_000);
  chmodSync(server.at('a.txt'), 0o640);
  chmodSync(server.at('dir'), 0o1777);
  return server;
}

test('ls prints whole names, directories with a slash', async (t) => {
  const { address } = await startWithFiles(t);
  assert.equal((await runCommand(['ls', address])).stdout, 'a.txt\ndir/\n');
  assert.equal((await runCommand(['ls', `${address}/dir/`])).stdout, 'dir/b.txt\n');
  assert.equal((await runCommand(['ls', '-r', address])).stdout, 'a.txt\ndir/\ndir/b.txt\n');
});

test('ls of a file is the file', async (t) => {
  const { address } = await startWithFiles(t);
  assert.equal((await runCommand(['ls', `${address}/a.txt`])).stdout, 'a.txt\n');
});

test('ls -l shows mode, size and time', async (t) => {
  const { address } = await startWithFiles(t);
  const { stdout } = await runCommand(['ls', '-l', address]);
  assert.match(
    stdout,
    /^-rw-r----- {3}1\.50 KiB {2}2001-09-09 01:46:40Z {2}a\.txt\ndrwxrwxrwt {10}- {2}\S+ \S+ {2}dir\/\n$/,
  );
});

test('ls -l shows no time for a directory that has none', async (t) => {
  const server = await startWithFiles(t);
  utimesSync(server.at('dir'), 0, 0);
  const { stdout } = await runCommand(['ls', '-l', server.address]);
  assert.match(stdout, /^drwxrwxrwt {10}- {21}- {2}dir\/$/m);
});

test('ls --json prints one object for each entry', async (t) => {
  const { address } = await startWithFiles(t);
  const { stdout } = await runCommand(['ls', '--json', address]);
  const [file, directory] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(file?.size, 1536);
  assert.equal(directory?.isDirectory, true);
});

test('ls says what a directory has beside what it lists', async (t) => {
  const server = await startWithFiles(t);
  symlinkSync('a.txt', server.at('link'));
  symlinkSync('a.txt', server.at('dir/link'));
  writeFileSync(Buffer.concat([Buffer.from(server.at('bad-')), Buffer.from([0xff])]), '');
  const { code, stderr, stdout } = await runCommand(['ls', '-r', server.address]);
  assert.equal(code, 0);
  assert.equal(stdout, 'a.txt\ndir/\ndir/b.txt\n');
  assert.match(
    stderr,
    /^left out, symbolic links: 2 \(dir\/link, link\)\nleft out, names .*: 1 \(bad-\\xff\)\n$/,
  );
});

test('ls ends quietly when its reader goes away', async (t) => {
  const server = await startWithFiles(t);
  for (let index = 0; index < 5000; index++) server.write(`dir/file-with-a-long-name-${index}`, lines(0));
  const ls = new SluiceProcess(t, ['ls', `${server.address}/dir`]);
  ls.process.stdout?.once('data', () => ls.process.stdout?.destroy());
  const { code, stderr } = await ls.outcome();
  assert.equal(code, 0);
  assert.equal(stderr, '');
});

test('stat shows what a file is', async (t) => {
  const { address } = await startWithFiles(t);
  const { stdout } = await runCommand(['stat', `${address}/a.txt`]);
  assert.match(
    stdout,
    /^name {6}a\.txt\nsize {6}1536 \(1\.50 KiB\)\nmodified {2}2001-09-09 01:46:40Z\nmode {6}0640 \(rw-r-----\)\nversion {3}\S+\ntype {6}text\/plain\n$/,
  );
});

test('stat --json prints one object', async (t) => {
  const { address } = await startWithFiles(t);
  const { stdout } = await runCommand(['stat', '--json', `${address}/a.txt`]);
  const { mode, modifiedMs, name, size } = JSON.parse(stdout) as Record<string, unknown>;
  const expected = { mode: 0o640, modifiedMs: 1_000_000_000_000, name: 'a.txt', size: 1536 };
  assert.deepEqual({ mode, modifiedMs, name, size }, expected);
});

test('stat --digest shows the SHA-256, and get takes it as the version', async (t) => {
  const server = await startServer(t, { writable: true });
  const content = lines(1536);
  server.write('a.txt', content);
  const target = `${server.address}/a.txt`;
  const digest = `sha256:${createHash('sha256').update(content.bytes(0, 1536)).digest('hex')}`;

  assert.doesNotMatch((await runCommand(['stat', target])).stdout, /digest/);
  assert.match(
    (await runCommand(['stat', '--digest', target])).stdout,
    new RegExp(`^digest {4}${digest}$`, 'm'),
  );
  const { stdout } = await runCommand(['stat', '--json', '--digest', target]);
  assert.equal((JSON.parse(stdout) as Record<string, unknown>).digest, digest);

  const asked = await runCommand(['get', target, '-o', '-', '--if-match', digest]);
  assert.equal(asked.code, 0, asked.stderr);
  assert.equal(asked.stdout, content.bytes(0, 1536).toString());
  const other = await runCommand(['get', target, '-o', '-', '--if-match', `sha256:${'0'.repeat(64)}`]);
  assert.equal(other.code, 4);
  assert.match(other.stderr, new RegExp(digest));
  assert.equal((await runCommand(['rm', target, '--if-match', digest])).code, 0);
});

test('the suggestion of the server is passed on', async (t) => {
  const { address } = await startWithFiles(t);
  const { code, stderr } = await runCommand(['stat', `${address}/b.txt`]);
  assert.equal(code, 3);
  assert.match(stderr, /did you mean "a\.txt"\?/);
});

test('stat of a server alone is wrong usage', async () => {
  const { code, stderr } = await runCommand(['stat', 'localhost:1/']);
  assert.equal(code, 2);
  assert.match(stderr, /localhost:1 names no file; write localhost:1\/name/);
});
