import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertBytes, lines, noise } from '../support/content.ts';
import { cannotTrace } from '../support/kill/strace.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { runSluice, type SluiceOutcome, SluiceProcess } from '../support/sluice-process.ts';
import { startServer, type TestServer } from '../support/test-server.ts';
import { runCommand } from './command-session.ts';

const SIZE = 3_000_000;

/** A server with a few files, and an empty directory to download to. */
async function scene(t: TestContext): Promise<{ server: TestServer; cwd: string }> {
  const server = await startServer(t);
  server.write('a.bin', noise(1, SIZE));
  mkdirSync(server.at('tree/deep'), { recursive: true });
  server.write('tree/b.txt', lines(1000));
  server.write('tree/deep/c.bin', noise(2, 100));
  return { server, cwd: scratchDirectory(t) };
}

test('a file is downloaded to the working directory and is checked', async (t) => {
  const { server, cwd } = await scene(t);
  const { code, stderr, stdout } = await runCommand(['get', `${server.address}/a.bin`], { cwd });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, /^a\.bin: 2\.86 MiB in .*, verified$/m);
  assertBytes(readFileSync(join(cwd, 'a.bin')), noise(1, SIZE), 0);
  assert.deepEqual(readdirSync(cwd), ['a.bin']);
});

const cannotInject = cannotTrace();

test('a file system that cannot sync a directory is no failure, and -v tells of it', {
  skip: cannotInject,
}, async (t) => {
  const { server, cwd } = await scene(t);
  const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-P', cwd, '-e', 'inject=fsync:error=EINVAL'];
  const { code, stderr } = await runSluice(t, ['get', '-v', `${server.address}/tree/b.txt`], { cwd, under });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /the directory cannot be synced; .*\(EINVAL\)/);
  assert.deepEqual(readdirSync(cwd), ['b.txt']);
});

test('-o names a file or a directory', async (t) => {
  const { server, cwd } = await scene(t);
  await runCommand(['get', `${server.address}/a.bin`, '-o', 'other.bin'], { cwd });
  await runCommand(['get', `${server.address}/a.bin`, `${server.address}/tree/b.txt`, '-o', 'into'], {
    cwd,
  });
  assert.ok(existsSync(join(cwd, 'other.bin')));
  assert.deepEqual(namesIn(join(cwd, 'into')), ['a.bin', 'b.txt']);
});

test('-o - writes the bytes and nothing else to standard output', async (t) => {
  const { server } = await scene(t);
  const { code, stdout } = await runCommand(['get', `${server.address}/tree/b.txt`, '-o', '-']);
  assert.equal(code, 0);
  assert.equal(stdout, lines(1000).bytes(0, 1000).toString());
});

test('with --json and -o - the results go to standard error', async (t) => {
  const { server } = await scene(t);
  const { stderr, stdout } = await runCommand(['get', `${server.address}/tree/b.txt`, '-o', '-', '--json']);
  assert.equal(stdout.length, 1000);
  assert.match(stderr, /^\{"event":"done"/m);
});

test('a reader that goes away ends the download quietly', async (t) => {
  const { server } = await scene(t);
  const get = new SluiceProcess(t, ['get', `${server.address}/a.bin`, '-o', '-', '-q']);
  get.process.stdout?.once('data', () => get.process.stdout?.destroy());
  const { code, stderr } = await get.outcome();
  assert.equal(code, 0);
  assert.equal(stderr, '');
});

test('a range is downloaded with --start and --limit', async (t) => {
  const { server, cwd } = await scene(t);
  const args = ['get', `${server.address}/a.bin`, '--start', '1MiB', '--limit', '64KiB', '-o', 'piece'];
  assert.equal((await runCommand(args, { cwd })).code, 0);
  const piece = readFileSync(join(cwd, 'piece'));
  assert.equal(piece.length, 65_536);
  assertBytes(piece, noise(1, SIZE), 1_048_576);
});

test('-r recreates a tree below the output', async (t) => {
  const { server, cwd } = await scene(t);
  const { code, stderr } = await runCommand(['get', '-r', `${server.address}/tree`, '-o', 'copy'], { cwd });
  assert.equal(code, 0, stderr);
  assert.deepEqual(namesIn(join(cwd, 'copy')), ['b.txt', 'deep', 'deep/c.bin']);
  assertBytes(readFileSync(join(cwd, 'copy/deep/c.bin')), noise(2, 100), 0);
});

test('-r without -o makes a directory of the name', async (t) => {
  const { server, cwd } = await scene(t);
  await runCommand(['get', '-r', `${server.address}/tree/deep`], { cwd });
  assert.deepEqual(readdirSync(join(cwd, 'deep')), ['c.bin']);
});

test('-r with a file is the file', async (t) => {
  const { server, cwd } = await scene(t);
  assert.equal((await runCommand(['get', '-r', `${server.address}/a.bin`], { cwd })).code, 0);
  assert.ok(statSync(join(cwd, 'a.bin')).isFile());
});

test('of a tree that is there already only a file that is newer on the server is fetched, and all with --ignore-times', async (t) => {
  const { server, cwd } = await scene(t);
  const args = ['get', '-r', `${server.address}/tree`, '--json'];
  await runCommand(args, { cwd });
  server.write('tree/b.txt', lines(1000));
  utimesSync(server.at('tree/b.txt'), 4_000_000_000, 4_000_000_000);
  // As after a copy by other means: the same size, and the time of the copy.
  utimesSync(server.at('tree/deep/c.bin'), 1_000_000, 1_000_000);
  const again = await runCommand(args, { cwd });
  assert.deepEqual(doneNames(again), ['tree/b.txt']);
  const { bytes, failedFiles, files, leftOut, notDoneFiles, skippedFiles } = summaryIn(again);
  assert.deepEqual(
    { bytes, failedFiles, files, leftOut, notDoneFiles, skippedFiles },
    { bytes: 1000, failedFiles: 0, files: 1, leftOut: {}, notDoneFiles: 0, skippedFiles: 1 },
  );
  const all = await runCommand([...args, '--ignore-times'], { cwd });
  assert.deepEqual(doneNames(all), ['tree/b.txt', 'tree/deep/c.bin']);
  // A single file with -r is no exception.
  const one = ['get', '-r', `${server.address}/tree/b.txt`, '-o', 'tree/b.txt', '--json'];
  assert.deepEqual(doneNames(await runCommand(one, { cwd })), []);
});

test('a tree of which some cannot be fetched is not said to be done', async (t) => {
  const { server, cwd } = await scene(t);
  symlinkSync('b.txt', server.at('tree/link'));
  mkdirSync(server.at('tree/back\\slash'));
  mkdirSync(server.at(`tree/${Array(64).fill('d').join('/')}`), { recursive: true });
  const args = ['get', '-r', `${server.address}/tree`];
  const { code, stderr } = await runCommand(args, { cwd });
  assert.equal(code, 8, stderr);
  assert.match(stderr, /^left out, symbolic links: 1 \(tree\/link\)$/m);
  assert.match(stderr, /^left out, names that cannot be sent .*: 1 \(tree\/back\\slash\)$/m);
  assert.match(stderr, /^left out, below too many directories: 1 \(tree\/d\/d\/.*\)$/m);
  assert.match(stderr, /^2 files, .*; 3 left out$/m);
  assert.match(stderr, /^error: left out 3: symbolic links: 1; /m);
  const { leftOut } = summaryIn(await runCommand([...args, '--json'], { cwd }));
  assert.deepEqual((leftOut as Record<string, unknown>).SYMBOLIC_LINK, { count: 1, names: ['tree/link'] });
});

test('a file called - is a file, and what put takes get gives back', async (t) => {
  const server = await startServer(t, { writable: true, uploads: { minFree: 0 } });
  const cwd = scratchDirectory(t);
  const names = ['-', 'sub/-', 'sub/a:b', 'sub/ü %20', 'sub/.hidden'];
  mkdirSync(join(cwd, 'sub'));
  for (const name of names) writeFileSync(join(cwd, name), name);
  const env = { XDG_STATE_HOME: join(cwd, '..', 'state') };
  const put = await runCommand(['put', '-r', '.', `${server.address}/t/`], { cwd, env });
  assert.equal(put.code, 0, put.stderr);
  const target = scratchDirectory(t);
  const get = await runCommand(['get', '-r', `${server.address}/t`], { cwd: target });
  assert.deepEqual({ code: get.code, stdout: get.stdout }, { code: 0, stdout: '' }, get.stderr);
  for (const name of names) assert.equal(readFileSync(join(target, 't', name), 'utf8'), name);
  const one = await runCommand(['get', `${server.address}/t/sub/-`], { cwd: target });
  assert.equal(one.stdout, '');
  assert.equal(readFileSync(join(target, '-'), 'utf8'), 'sub/-');
});

test('a directory of the server that is asked for without -r is named as one, with -r as the remedy', async (t) => {
  const { server, cwd } = await scene(t);
  mkdirSync(join(cwd, 'dst/tree'), { recursive: true });
  for (const args of [[`${server.address}/tree`, `${server.address}/a.bin`], [`${server.address}/tree`]]) {
    const { code, stderr } = await runCommand(['get', ...args, '-o', 'dst/'], { cwd });
    assert.equal(code, 4, stderr);
    assert.match(stderr, /"tree" is a directory/);
    assert.match(stderr, /hint: use `sluice get -r`/);
  }
  assert.ok(existsSync(join(cwd, 'dst/a.bin')));
  mkdirSync(join(cwd, 'a.bin'));
  const { code, stderr } = await runCommand(['get', `${server.address}/a.bin`], { cwd });
  assert.equal(code, 7);
  assert.match(stderr, /there is a directory a\.bin here; name another place with -o/);
});

test('a link in the target directory that leads out is not written through', async (t) => {
  const { server, cwd } = await scene(t);
  mkdirSync(join(cwd, 'out'));
  mkdirSync(join(cwd, 'elsewhere'));
  symlinkSync('../elsewhere', join(cwd, 'out/deep'));
  const { code, stderr } = await runCommand(['get', '-r', `${server.address}/tree`, '-o', 'out'], { cwd });
  assert.equal(code, 7);
  assert.match(stderr, /symbolic link that leads out/);
  assert.deepEqual(readdirSync(join(cwd, 'elsewhere')), []);
});

test('files that would have the same place are refused before anything moves', async (t) => {
  const { server, cwd } = await scene(t);
  mkdirSync(server.at('other'));
  server.write('other/a.bin', noise(3, 10));
  server.write('a.bin.part', noise(4, 10));
  for (const second of ['other/a.bin', 'a.bin.part']) {
    const args = ['get', `${server.address}/a.bin`, `${server.address}/${second}`];
    const { code, stderr } = await runCommand(args, { cwd });
    assert.equal(code, 2);
    assert.match(stderr, /cannot be fetched together/);
  }
  assert.deepEqual(readdirSync(cwd), []);
});

test('one missing file does not stop the others', async (t) => {
  const { server, cwd } = await scene(t);
  const args = ['get', `${server.address}/absent`, `${server.address}/a.bin`];
  const { code, stderr } = await runCommand(args, { cwd });
  assert.equal(code, 3);
  assert.match(stderr, /1 of 2 files failed, the first was absent/);
  assert.ok(existsSync(join(cwd, 'a.bin')));
});

test('a finished file is replaced, unless --no-overwrite is given', async (t) => {
  const { server, cwd } = await scene(t);
  writeFileSync(join(cwd, 'a.bin'), 'old');
  const args = ['get', `${server.address}/a.bin`];
  assert.equal((await runCommand([...args, '--no-overwrite'], { cwd })).code, 4);
  assert.equal(readFileSync(join(cwd, 'a.bin'), 'utf8'), 'old');
  assert.equal((await runCommand(args, { cwd })).code, 0);
  assert.equal(statSync(join(cwd, 'a.bin')).size, SIZE);
});

test('a file in the place of a directory is named', async (t) => {
  const { server, cwd } = await scene(t);
  writeFileSync(join(cwd, 'here'), '');
  for (const [args, problem] of [
    [
      [`${server.address}/a.bin`, '-o', 'here/x'],
      /cannot look at here\/x: a part of the path is not a directory/,
    ],
    [['-r', `${server.address}/tree`, '-o', 'here'], /cannot make here: a file has that name/],
  ] as const) {
    const { code, stderr } = await runCommand(['get', ...args], { cwd });
    assert.equal(code, 7, stderr);
    assert.match(stderr, problem);
  }
});

test('each refusal has its exit code', async (t) => {
  const { server, cwd } = await scene(t);
  for (const [args, expected] of [
    [['absent'], 3],
    [['tree'], 4],
    [['../a.bin'], 4],
    [['a.bin', '--start', '1GiB'], 4],
    [['a.bin', '--if-match', 'another'], 4],
    [['a.bin', '-o', 'no/such/directory/file'], 7],
    [['a.bin', '--start', 'far'], 2],
    [['a.bin', '--window', '1'], 2],
    [['a.bin', '--cert', 'x'], 2],
    [['', '-o', 'x'], 2],
    [['tree', '-r', '-o', '-'], 2],
  ] as const) {
    const [name, ...flags] = args;
    const { code, stderr } = await runCommand(['get', `${server.address}/${name}`, ...flags], { cwd });
    assert.equal(code, expected, `${args.join(' ')}: ${stderr}`);
  }
  assert.deepEqual(readdirSync(cwd), []);
});

test('with --json a failure is an object on standard error', async (t) => {
  const { server, cwd } = await scene(t);
  const { stderr } = await runCommand(['get', `${server.address}/absent`, '--json'], { cwd });
  const { code, event, exitCode } = JSON.parse(stderr) as Record<string, unknown>;
  assert.deepEqual({ code, event, exitCode }, { code: 'NOT_FOUND', event: 'error', exitCode: 3 });
});

test('-q says nothing about a success', async (t) => {
  const { server, cwd } = await scene(t);
  const { stderr, stdout } = await runCommand(['get', `${server.address}/a.bin`, '-q'], { cwd });
  assert.equal(stderr + stdout, '');
});

function namesIn(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names.sort((a, b) => (a < b ? -1 : 1));
}

function events(stdout: string): Record<string, unknown>[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function doneNames({ stdout }: SluiceOutcome): unknown[] {
  const done = events(stdout).filter(({ event }) => event === 'done');
  return done.map(({ name }) => String(name)).sort();
}

/** The last line. */
function summaryIn({ stdout }: SluiceOutcome): Record<string, unknown> {
  const last = events(stdout).at(-1) ?? {};
  assert.equal(last.event, 'summary', stdout);
  return last;
}
