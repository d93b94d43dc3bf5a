/** What goes up and comes down with a tree besides bytes: times, permission bits, empty directories. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { UploadPeer } from '../client/upload/peer.ts';
import { scratchDirectory } from '../support/scratch.ts';
import type { SluiceOutcome } from '../support/sluice-process.ts';
import { startServer, type TestServer } from '../support/test-server.ts';
import { runCommand } from './command-session.ts';

const OLD_S = 1_000_000_000.5;

/** Each with its mode; those that end in a slash are directories. */
const TREE: Readonly<Record<string, number>> = {
  'tree/': 0o750,
  'tree/empty/': 0o700,
  'tree/empty-and-closed/': 0o555,
  'tree/closed/': 0o555,
  'tree/closed/below/': 0o711,
  'tree/closed/below/file': 0o400,
  'tree/closed/script': 0o755,
  'tree/script': 0o755,
  'tree/secret': 0o600,
};

interface Scene {
  server: TestServer;
  cwd: string;
  run(...args: string[]): Promise<SluiceOutcome>;
}

async function scene(t: TestContext): Promise<Scene> {
  const server = await startServer(t, { writable: true, uploads: { minFree: 0 } });
  const cwd = scratchDirectory(t);
  const options = { cwd, env: { XDG_STATE_HOME: join(cwd, '.state') } };
  return { server, cwd, run: (...args) => runCommand(args, options) };
}

function makeTree(top: string): void {
  for (const [name, mode] of Object.entries(TREE)) {
    const path = join(top, name);
    if (name.endsWith('/')) mkdirSync(path);
    else writeFileSync(path, name);
    if (!name.endsWith('/')) utimesSync(path, OLD_S, OLD_S);
    chmodSync(path, mode | 0o200);
  }
  for (const [name, mode] of Object.entries(TREE)) chmodSync(join(top, name), mode);
}

/** As `TREE` has it, with a time for each file. */
function stateOf(top: string): Record<string, unknown> {
  const state: Record<string, unknown> = {};
  for (const entry of readdirSync(top, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const stats = statSync(path);
    const name = path.slice(top.length + 1);
    const mode = stats.mode & 0o7777;
    if (entry.isDirectory()) state[`${name}/`] = mode;
    else state[name] = [mode, Math.trunc(stats.mtimeMs)];
  }
  return state;
}

/** What `stateOf` says of a `TREE` below `tree`, with other modes for some. */
function treeState(changes: Readonly<Record<string, number>> = {}): Record<string, unknown> {
  const entries = Object.entries({ ...TREE, ...changes }).flatMap(([name, mode]) => {
    const below = name.slice('tree/'.length);
    if (below === '') return [];
    return [[below, below.endsWith('/') ? mode : [mode, OLD_S * 1000]]];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}

test('a tree that goes up and comes down has its times, its modes and its empty directories', async (t) => {
  const { cwd, run, server } = await scene(t);
  makeTree(cwd);
  const up = await run('put', '-r', 'tree', server.address);
  assert.equal(up.code, 0, up.stderr);
  // A directory that the server has to fill is one that it may write to.
  assert.deepEqual(stateOf(server.at('tree')), treeState({ 'tree/closed/': 0o755 }));
  assert.equal(statSync(server.at('tree')).mode & 0o777, 0o750);
  chmodSync(server.at('tree/closed'), 0o555);
  const down = await run('get', '-r', `${server.address}/tree`, '-o', 'back');
  assert.equal(down.code, 0, down.stderr);
  assert.deepEqual(stateOf(join(cwd, 'back')), treeState());
  for (const args of [
    ['put', '-r', 'tree', server.address],
    ['get', '-r', `${server.address}/tree`, '-o', 'back'],
  ]) {
    const { code, stderr } = await run(...args);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /; 4 already there/);
  }
  assert.deepEqual(stateOf(join(cwd, 'back')), treeState());
});

test('a file that goes up and comes down alone has its time, and the mode of any new file', async (t) => {
  const { cwd, run, server } = await scene(t);
  makeTree(cwd);
  const umask = process.umask();
  assert.equal((await run('put', 'tree/script', `${server.address}/`)).code, 0);
  assert.equal((await run('get', `${server.address}/script`)).code, 0);
  for (const path of [server.at('script'), join(cwd, 'script')]) {
    const { mode, mtimeMs } = statSync(path);
    assert.deepEqual([mode & 0o7777, Math.trunc(mtimeMs)], [0o666 & ~umask, OLD_S * 1000]);
  }
});

test('directories that are there keep their modes, those that an interrupted run has left get theirs', async (t) => {
  const { cwd, run, server } = await scene(t);
  makeTree(server.root);
  mkdirSync(join(cwd, 'back/empty'), { recursive: true });
  mkdirSync(join(cwd, 'back/closed/below'), { recursive: true });
  chmodSync(join(cwd, 'back/empty'), 0o777);
  chmodSync(join(cwd, 'back/closed'), 0o755);
  chmodSync(join(cwd, 'back/closed/below'), 0o500);
  const { code, stderr } = await run('get', '-r', `${server.address}/tree`, '-o', 'back');
  assert.equal(code, 0, stderr);
  const changes = { 'tree/empty/': 0o777, 'tree/closed/below/': 0o500 };
  assert.deepEqual(stateOf(join(cwd, 'back')), treeState(changes));

  chmodSync(server.at('tree/empty'), 0o500);
  rmSync(server.at('tree/script'));
  const up = await run('put', '-r', 'back/', `${server.address}/tree`);
  assert.equal(up.code, 0, up.stderr);
  assert.equal(statSync(server.at('tree/empty')).mode & 0o777, 0o500);
  assert.ok(existsSync(server.at('tree/script')));
});

test('a tree of one empty directory is that directory, up and down', async (t) => {
  const { cwd, run, server } = await scene(t);
  mkdirSync(join(cwd, 'none'));
  assert.equal((await run('put', '-r', 'none', server.address)).code, 0);
  assert.ok(statSync(server.at('none')).isDirectory());
  assert.equal((await run('put', '-r', 'none/', `${server.address}/a/b`)).code, 0);
  assert.ok(statSync(server.at('a/b')).isDirectory());
  assert.equal((await run('get', '-r', `${server.address}/none`, '-o', 'back')).code, 0);
  assert.deepEqual(readdirSync(join(cwd, 'back')), []);
  assert.equal((await run('get', '-r', `${server.address}/a`)).code, 0);
  assert.deepEqual(readdirSync(join(cwd, 'a')), ['b']);
});

test('what is in the way of a directory fails by name, and does not keep the rest', async (t) => {
  const { cwd, run, server } = await scene(t);
  makeTree(cwd);
  mkdirSync(server.at('tree'));
  writeFileSync(server.at('tree/empty'), 'a file');
  const { code, stderr } = await run('put', '-r', 'tree', server.address);
  assert.notEqual(code, 0);
  assert.match(stderr, /^tree\/empty: failed: .*"tree\/empty" is a file; choose another name/m);
  assert.ok(existsSync(server.at('tree/script')));
});

test('a server that makes no directories gets the files, and the empty ones are said to be missing', async (t) => {
  const { cwd, run } = await scene(t);
  makeTree(cwd);
  const peer = await UploadPeer.start(t);
  const { code, stderr } = await run('put', '-r', '-I', 'tree', peer.address);
  assert.equal(code, 8, stderr);
  assert.deepEqual([...peer.files.keys()].sort(), [
    'tree/closed/below/file',
    'tree/closed/script',
    'tree/script',
    'tree/secret',
  ]);
  assert.match(stderr, /^tree\/empty: failed: the server makes no empty directories/m);
  assert.doesNotMatch(stderr, /^tree\/closed: /m);
});

test('mkdir makes directories and those above them', async (t) => {
  const { run, server } = await scene(t);
  const args = ['mkdir', `${server.address}/a/b`, `${server.address}/c/`];
  for (const _ of [1, 2]) assert.deepEqual(await run(...args), { code: 0, stdout: '', stderr: '' });
  for (const name of ['a/b', 'c']) assert.ok(statSync(server.at(name)).isDirectory());
  writeFileSync(server.at('file'), '');
  const refused = await run('mkdir', `${server.address}/file`);
  assert.match(refused.stderr, /"file" is a file; choose another name/);
  const nameless = await run('mkdir', server.address);
  assert.equal(nameless.code, 2);
  assert.match(nameless.stderr, /names no directory; write/);
});
