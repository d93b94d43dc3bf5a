import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LocalDirectories } from '../../../../src/client/tree/download/local-directories.ts';
import { scratchDirectory } from '../../../support/scratch.ts';
import { asOrdinaryUser } from '../../../support/stores/scratch-store.ts';

interface Scene {
  directories: LocalDirectories;
  enter(name: string, mode?: number): Promise<void>;
  modeOf(name: string): number;
  at(name: string): string;
}

function scene(t: TestContext): Scene {
  const top = scratchDirectory(t);
  chmodSync(top, 0o777);
  const directories = new LocalDirectories(top);
  const at = (name: string) => join(top, name);
  return {
    directories,
    enter: (name, mode) => directories.enter(name, at(name), mode),
    modeOf: (name) => statSync(at(name)).mode & 0o777,
    at,
  };
}

test('a directory that keeps its owner out has its mode when all that is in it is done, and not before', async (t) => {
  const { at, directories, enter, modeOf } = scene(t);
  await asOrdinaryUser(async () => {
    await enter('a', 0o555);
    const { release: first } = await directories.hold('a/file');
    await enter('a/b', 0o500);
    const { release: second } = await directories.hold('a/b/file');
    const { release: third } = await directories.hold('z');
    assert.deepEqual([modeOf('a'), modeOf('a/b')], [0o755, 0o700]);
    await directories.end();
    writeFileSync(at('a/file'), '');
    await first();
    assert.deepEqual([modeOf('a'), modeOf('a/b')], [0o755, 0o700]);
    writeFileSync(at('a/b/file'), '');
    await second();
    await third();
  });
  assert.deepEqual([modeOf('a'), modeOf('a/b')], [0o555, 0o500]);
});

test('a directory that the listing has left has its mode before the listing ends', async (t) => {
  const { enter, modeOf } = scene(t);
  await enter('a', 0o555);
  await enter('b', 0o555);
  assert.deepEqual([modeOf('a'), modeOf('b')], [0o555, 0o755]);
});

test('a mode that lets its owner write is there at once, whatever the umask', async (t) => {
  const umask = process.umask(0o077);
  t.after(() => process.umask(umask));
  const { enter, modeOf } = scene(t);
  await enter('open', 0o40_777);
  await enter('unknown');
  assert.deepEqual([modeOf('open'), modeOf('unknown')], [0o777, 0o700]);
});

test('a directory that is there is opened to its owner, and closed again', async (t) => {
  const { at, directories, enter, modeOf } = scene(t);
  await asOrdinaryUser(async () => {
    mkdirSync(at('a'), 0o555);
    await enter('a', 0o700);
    assert.equal(modeOf('a'), 0o755);
    await directories.end();
  });
  assert.equal(modeOf('a'), 0o555);
});

test('a directory of somebody else is left as it is', async (t) => {
  const { at, directories, enter, modeOf } = scene(t);
  mkdirSync(at('a'), 0o555);
  await asOrdinaryUser(async () => {
    await enter('a', 0o700);
    await directories.end();
  });
  assert.equal(modeOf('a'), 0o555);
});

test('a link that leads out is no directory of the tree, and what it leads to keeps its mode', async (t) => {
  const { at, enter } = scene(t);
  const outside = scratchDirectory(t);
  mkdirSync(join(outside, 'there'), 0o555);
  symlinkSync(outside, at('link'));
  symlinkSync(join(outside, 'there'), at('direct'));
  for (const name of ['link/new', 'direct']) {
    await assert.rejects(enter(name, 0o777), { code: 'LOCAL_IO', message: /leads out/ });
  }
  assert.equal(statSync(join(outside, 'there')).mode & 0o777, 0o555);
});

test('what is in the way is told by its path', async (t) => {
  const { at, enter } = scene(t);
  writeFileSync(at('file'), '');
  await assert.rejects(enter('file', 0o755), {
    code: 'LOCAL_IO',
    message: /cannot make .*file: a file has that name/,
  });
});

test('what is known of the directory of a file: that it is new, that it was there, or nothing', async (t) => {
  const { at, directories, enter } = scene(t);
  mkdirSync(at('old'));
  symlinkSync('..', at('out'));
  await enter('new', 0o755);
  await enter('new/inner', 0o755);
  assert.equal((await directories.hold('new/inner/file')).parent, 'made');
  // Not listed by itself.
  assert.equal((await directories.hold('new/inner/deep/file')).parent, undefined);
  await enter('old', 0o755);
  assert.equal((await directories.hold('old/file')).parent, 'found');
  await assert.rejects(enter('out', 0o755), { code: 'LOCAL_IO' });
  assert.equal((await directories.hold('out/file')).parent, undefined);
  await assert.rejects(enter('out/below', 0o755), { code: 'LOCAL_IO' });
  assert.equal((await directories.hold('file')).parent, undefined);
});
