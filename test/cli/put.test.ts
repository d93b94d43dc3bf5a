import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertBytes, lines, noise, writeContent } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { type SluiceOptions, type SluiceOutcome, SluiceProcess } from '../support/sluice-process.ts';
import { MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { runCommand } from './command-session.ts';
import { startPausingRelay } from './pausing-relay.ts';

const SIZE = 3_000_000;

interface Scene {
  server: TestServer;
  cwd: string;
  /** Runs sluice in `cwd`, with a state directory of its own. */
  run(...args: string[]): Promise<SluiceOutcome>;
  options: SluiceOptions;
}

/** A server that takes uploads, and a directory with a few files. */
async function scene(t: TestContext): Promise<Scene> {
  const server = await startServer(t, { writable: true, uploads: { minFree: 0 } });
  const cwd = join(scratchDirectory(t), 'here');
  mkdirSync(join(cwd, 'tree/deep'), { recursive: true });
  writeContent(join(cwd, 'a.bin'), noise(1, SIZE));
  writeContent(join(cwd, 'tree/b.txt'), lines(1000));
  writeContent(join(cwd, 'tree/deep/c.bin'), noise(2, 100));
  const options = { cwd, env: { XDG_STATE_HOME: join(cwd, '..', 'state') } };
  return { server, cwd, options, run: (...args) => runCommand(args, options) };
}

test('a file is uploaded under its own name and is checked', async (t) => {
  const { run, server } = await scene(t);
  const { code, stderr, stdout } = await run('put', 'a.bin', `${server.address}/`);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, /^a\.bin: 2\.86 MiB in .*, verified$/m);
  assertBytes(readFileSync(server.at('a.bin')), noise(1, SIZE), 0);
});

test('a home that cannot be written costs only that a later run could resume, and that is said', async (t) => {
  const { cwd, server } = await scene(t);
  writeFileSync(join(cwd, 'no-directory'), '');
  const env = { HOME: join(cwd, 'no-directory'), XDG_STATE_HOME: '' };
  const { code, stderr } = await runCommand(['put', 'a.bin', server.address], { cwd, env });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /later run cannot resume this upload.* XDG_STATE_HOME/);
  assertBytes(readFileSync(server.at('a.bin')), noise(1, SIZE), 0);
});

test('a target names the file, or the directory to put files into', async (t) => {
  const { run, server } = await scene(t);
  await run('put', 'a.bin', `${server.address}/new/name.bin`);
  await run('put', 'a.bin', 'tree/b.txt', `${server.address}/into/`);
  await run('put', 'tree/b.txt', server.address);
  for (const name of ['new/name.bin', 'into/a.bin', 'into/b.txt', 'b.txt']) {
    assert.ok(existsSync(server.at(name)), name);
  }
});

test('- reads standard input', async (t) => {
  const { options, server } = await scene(t);
  const put = new SluiceProcess(t, ['put', '-', `${server.address}/in.txt`], { ...options, input: true });
  put.process.stdin?.write('first ');
  put.process.stdin?.end('and last');
  const { code, stderr } = await put.outcome();
  assert.equal(code, 0, stderr);
  assert.equal(readFileSync(server.at('in.txt'), 'utf8'), 'first and last');
});

test('-r sends a tree, under its own name or another', async (t) => {
  const { run, server } = await scene(t);
  const { code, stderr } = await run('put', '-r', 'tree', `${server.address}/`);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^2 files, 1\.07 KiB in \S+$/m);
  await run('put', '-r', 'tree', `${server.address}/other`);
  await run('put', '-r', '.', `${server.address}/all/`);
  await run('put', '-r', 'a.bin', `${server.address}/single`);
  for (const name of ['tree/b.txt', 'tree/deep/c.bin', 'other/deep/c.bin', 'all/tree/b.txt', 'single']) {
    assert.ok(statSync(server.at(name)).isFile(), name);
  }
  assertBytes(readFileSync(server.at('other/deep/c.bin')), noise(2, 100), 0);
});

test('links, special files and names that are not UTF-8 are left out of a tree, which the exit code says', async (t) => {
  const { cwd, run, server } = await scene(t);
  symlinkSync('../a.bin', join(cwd, 'tree/link'));
  execFileSync('mkfifo', [join(cwd, 'tree/fifo')]);
  writeFileSync(Buffer.concat([Buffer.from(join(cwd, 'tree/')), Buffer.from([0xff])]), '');
  const { code, stderr } = await run('put', '-r', 'tree', `${server.address}/`);
  assert.equal(code, 8, stderr);
  assert.match(stderr, /^left out, symbolic links: 1 \(tree\/link\)$/m);
  assert.match(stderr, /^left out, special files: 1 \(tree\/fifo\)$/m);
  assert.match(stderr, /^left out, names that cannot be sent .*: 1 \(tree\/\\xff\)$/m);
  assert.match(stderr, /^2 files, .*; 3 left out$/m);
  assert.deepEqual(readdirSync(server.at('tree')).sort(), ['b.txt', 'deep']);
});

test('a directory that cannot be read does not keep the rest of a tree', async (t) => {
  const { cwd, run, server } = await scene(t);
  // A path of its length can be listed and not be entered: unreadable for root, too.
  const deep = 'd'.repeat(250);
  process.chdir(join(cwd, 'tree/deep'));
  for (let level = 0; level < 18; level += 1) {
    mkdirSync(deep);
    process.chdir(deep);
  }
  process.chdir('/');
  try {
    const { code, stderr } = await run('put', '-r', 'tree', 'absent', `${server.address}/`);
    assert.equal(code, 7, stderr);
    assert.match(stderr, /^tree\/deep\/d+\S*: failed: cannot read .* \(ENAMETOOLONG\)$/m);
    assert.match(stderr, /^absent: failed: cannot read absent: there is no such file/m);
    assert.match(stderr, /^2 files, .*; 2 failed$/m);
    const quiet = await run('put', '-r', '-q', 'tree', 'absent', `${server.address}/`);
    assert.match(quiet.stderr, /^absent: failed: cannot read absent: there is no such file/m);
    assert.doesNotMatch(quiet.stderr, /^2 files/m);
    const { stdout } = await run('put', '-r', '--json', 'absent', `${server.address}/`);
    assert.match(stdout, /^\{"event":"failed","name":"absent","code":"LOCAL_IO","message":"cannot read/m);
    for (const name of ['tree/b.txt', 'tree/deep/c.bin']) assert.ok(existsSync(server.at(name)), name);
  } finally {
    // Node's own rm goes by whole paths.
    execFileSync('rm', ['-rf', join(cwd, 'tree/deep', deep)]);
  }
});

test('a tree that is sent again sends what is not there, or older there, and all with --ignore-times', async (t) => {
  const { cwd, run, server } = await scene(t);
  for (const name of ['tree/a', 'tree/a.b/c', 'tree/a/x', 'tree/é', 'tree/z']) {
    mkdirSync(dirname(join(cwd, name.replace('tree/a/', 'tree/a-/'))), { recursive: true });
    writeFileSync(join(cwd, name.replace('tree/a/', 'tree/a-/')), name);
  }
  const put = ['put', '-r', 'tree', `${server.address}/in/`, '--json'] as const;
  assert.equal(doneNames(await run(...put)).length, 7);
  rmSync(server.at('in/tree/deep'), { recursive: true });
  writeFileSync(server.at('in/tree/only-there'), '');
  utimesSync(join(cwd, 'tree/z'), 4_000_000_000, 4_000_000_000);
  writeFileSync(join(cwd, 'tree/a.b/c'), 'longer than it was');
  const again = await run(...put);
  assert.deepEqual(doneNames(again), ['in/tree/a.b/c', 'in/tree/deep/c.bin', 'in/tree/z']);
  assert.match(again.stdout, /"event":"summary","files":3,.*"skippedFiles":4,"failedFiles":0/);
  assert.equal(doneNames(await run(...put, '-I')).length, 7);
  const one = ['put', '-r', 'tree/b.txt', `${server.address}/in/tree/b.txt`, '--json'] as const;
  assert.deepEqual(doneNames(await run(...one)), []);
});

test('a file that is there is replaced, unless --no-overwrite or --if-match say otherwise', async (t) => {
  const { run, server } = await scene(t);
  const target = `${server.address}/a`;
  writeFileSync(server.at('a'), 'old');
  assert.equal((await run('put', 'tree/b.txt', target, '--no-overwrite')).code, 4);
  assert.equal((await run('put', 'tree/b.txt', target, '--if-match', 'another')).code, 4);
  assert.equal(readFileSync(server.at('a'), 'utf8'), 'old');
  const { version } = JSON.parse((await run('stat', target, '--json')).stdout) as { version: string };
  assert.equal((await run('put', 'tree/b.txt', target, '--if-match', version)).code, 0);
  assert.equal((await run('put', 'a.bin', target)).code, 0);
  assert.equal(statSync(server.at('a')).size, SIZE);
});

test('wrong usage is refused before anything moves', async (t) => {
  const { run, server } = await scene(t);
  const { address } = server;
  for (const [args, problem] of [
    [[`${address}/`], /nothing to send/],
    [['tree', `${address}/`], /add -r/],
    [['a.bin', 'tree/b.txt', `${address}/name`], /write .*\/name\//],
    [['-', `${address}/`], /standard input has no name/],
    [['-', 'a.bin', `${address}/x/`], /together with files/],
    [['a.bin', './a.bin', `${address}/`], /would both become a\.bin/],
    [['a.bin', 'https://host/a'], /write grpcs:/],
    [['a.bin', `${address}/`, '--connections', '99'], /from 1 to 16/],
  ] as const) {
    const { code, stderr } = await run('put', ...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, problem);
  }
  assert.deepEqual(readdirSync(server.root), ['.sluice-lock']);
});

test('a file that cannot be read is 7, and does not keep the others', async (t) => {
  const { run, server } = await scene(t);
  assert.equal((await run('put', 'absent', `${server.address}/`)).code, 7);
  assert.equal((await run('put', '../here/a.bin/x', `${server.address}/`)).code, 7);
});

test('a server that is read-only says so, and how to change it', async (t) => {
  const server = await startServer(t);
  const cwd = scratchDirectory(t);
  writeFileSync(join(cwd, 'a'), 'a');
  for (const args of [
    ['put', 'a', `${server.address}/`],
    ['rm', `${server.address}/a`],
  ]) {
    const { code, stderr } = await runCommand(args, { cwd });
    assert.equal(code, 4, stderr);
    assert.match(stderr, /serve --writable/);
  }
});

test('one refused file does not stop the others', async (t) => {
  const { run, server } = await scene(t);
  mkdirSync(server.at('in/a.bin'), { recursive: true });
  const { code, stderr } = await run('put', 'a.bin', 'tree/b.txt', `${server.address}/in/`);
  assert.equal(code, 4, stderr);
  assert.match(stderr, /1 of 2 files failed, the first was in\/a\.bin/);
  assert.ok(existsSync(server.at('in/b.txt')));
});

test('with --json there is an event for each file, and progress tells what is durable', async (t) => {
  const { run, server } = await scene(t);
  const { stdout } = await run('put', 'a.bin', 'tree/b.txt', `${server.address}/`, '--json');
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const done = events.filter(({ event }) => event === 'done');
  assert.deepEqual(new Set(done.map(({ name }) => name)), new Set(['a.bin', 'b.txt']));
  const progress = events.find(({ event }) => event === 'progress');
  assert.ok(progress !== undefined && 'sentBytes' in progress && 'durableBytes' in progress);
});

test('-q says nothing about a success', async (t) => {
  const { run, server } = await scene(t);
  const { stderr, stdout } = await run('put', 'a.bin', `${server.address}/`, '-q');
  assert.equal(stderr + stdout, '');
});

test('Ctrl-C keeps what the server has, says how to resume, and resuming sends only the rest', async (t) => {
  const { cwd, options, run, server } = await scene(t);
  writeContent(join(cwd, 'large.bin'), noise(3, 24 * MIB));
  const relay = await startPausingRelay(t, server.port, 12 * MIB, 'up');
  const put = new SluiceProcess(t, ['put', 'large.bin', `${relay}/x/`, '--compression', 'never'], options);
  await until('bytes are at the server', () => uploadedBytes(server) > 8 * MIB, { state: () => put.stderr });
  put.process.kill('SIGINT');
  const { code, stderr } = await put.outcome();
  assert.equal(code, 130, stderr);
  assert.match(stderr, new RegExp(`resume with\\n  sluice put large\\.bin ${relay}/x/`));
  assert.ok(!existsSync(server.at('x/large.bin')));

  // The same relay is another way to the same server; the record is about the address.
  const again = await startPausingRelay(t, server.port, Number.POSITIVE_INFINITY, 'up', portOf(relay));
  const resumed = await run('put', 'large.bin', `${again}/x/`, '--json');
  assert.equal(resumed.code, 0, resumed.stderr);
  const done = JSON.parse(String(resumed.stdout.trimEnd().split('\n').at(-1))) as Record<string, unknown>;
  assert.ok(Number(done.resumedBytes) >= 8 * MIB, resumed.stdout);
  assertBytes(readFileSync(server.at('x/large.bin')), noise(3, 24 * MIB), 0);
});

test('a source that changed since the interruption is sent from its start', async (t) => {
  const { cwd, options, run, server } = await scene(t);
  writeContent(join(cwd, 'large.bin'), noise(3, 24 * MIB));
  const relay = await startPausingRelay(t, server.port, 12 * MIB, 'up');
  const put = new SluiceProcess(t, ['put', 'large.bin', `${relay}/`], options);
  await until('bytes are at the server', () => uploadedBytes(server) > 8 * MIB);
  put.process.kill('SIGKILL');
  await put.outcome();
  truncateSync(join(cwd, 'large.bin'), 10 * MIB);
  const again = await startPausingRelay(t, server.port, Number.POSITIVE_INFINITY, 'up', portOf(relay));
  const { code, stderr } = await run('put', 'large.bin', `${again}/`);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /the source changed since the last run; starting over/);
  assertBytes(readFileSync(server.at('large.bin')), noise(3, 24 * MIB), 0);
  assert.equal(statSync(server.at('large.bin')).size, 10 * MIB);
});

test('interrupted standard input leaves nothing, and the message does not promise to resume', async (t) => {
  const { options, server } = await scene(t);
  const put = new SluiceProcess(t, ['put', '-', `${server.address}/in`], { ...options, input: true });
  // It ends before it has read all of this.
  put.process.stdin?.on('error', () => {}).write(noise(1, MIB).bytes(0, MIB));
  // Earlier, the client may not know yet that the server began an upload.
  await until('bytes are at the server', () => uploadedBytes(server) > 0);
  put.process.kill('SIGINT');
  const { code, stderr } = await put.outcome();
  assert.equal(code, 130);
  assert.match(stderr, /standard input cannot be resumed/);
  assert.deepEqual(uploadNames(server), []);
});

function doneNames({ stdout }: SluiceOutcome): unknown[] {
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return events
    .filter(({ event }) => event === 'done')
    .map(({ name }) => String(name))
    .sort();
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

/** The parts of unfinished uploads. */
function uploadNames(server: TestServer): string[] {
  const directory = server.at('.sluice-uploads');
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.part')) : [];
}

/** Bytes on the disk of unfinished uploads. */
function uploadedBytes(server: TestServer): number {
  const sizes = uploadNames(server).map(
    (name) => statSync(server.at(`.sluice-uploads/${name}`)).blocks * 512,
  );
  return Math.max(0, ...sizes);
}
