import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  directoryForTree,
  pathBelow,
  pathForFile,
  preparePlace,
} from '../../../../src/client/tree/download/local-path.ts';
import { scratchDirectory } from '../../../support/scratch.ts';

const LOCAL_IO = { code: 'LOCAL_IO' };

test('a name that could lead out of the directory is refused', () => {
  for (const name of [
    '../a',
    'a/../../b',
    '/etc/passwd',
    'a//b',
    'a/./b',
    '',
    '..',
    'a\\..\\b',
    'a\0b',
    'a\nb',
  ]) {
    assert.throws(() => pathBelow('out', name), LOCAL_IO, name);
  }
});

test('a name is refused by the platform that cannot hold it, and by no other', () => {
  for (const name of ['c:/a', 'sub/a:b', 'what?', 'dot.', 'NUL.txt', 'a/con']) {
    assert.throws(() => pathBelow('out', name, 'win32'), LOCAL_IO, name);
    assert.equal(pathBelow('out', name, 'linux'), join('out', name));
  }
});

test('whatever the name, the path is below the directory or refused', () => {
  const part = fc.oneof(fc.constantFrom('..', '.', '', 'a', '\\', 'c:'), fc.string({ maxLength: 4 }));
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      let path: string;
      try {
        path = pathBelow('out', parts.join('/'));
      } catch {
        return;
      }
      assert.ok(resolve(path).startsWith(resolve('out') + sep));
    }),
  );
});

test('directories are made on the way', async (t) => {
  const directory = join(scratchDirectory(t), 'out');
  await preparePlace(directory, join(directory, 'a', 'b', 'file'));
  assert.ok(existsSync(join(directory, 'a', 'b')));
});

test('a symbolic link that leads out is not followed', async (t) => {
  const scratch = scratchDirectory(t);
  const directory = join(scratch, 'out');
  mkdirSync(directory);
  mkdirSync(join(scratch, 'elsewhere'));
  symlinkSync('../elsewhere', join(directory, 'link'));
  await assert.rejects(preparePlace(directory, join(directory, 'link', 'sub', 'file')), {
    ...LOCAL_IO,
    message: /symbolic link that leads out/,
  });
  assert.deepEqual(readdirSync(join(scratch, 'elsewhere')), []);
});

test('a symbolic link in the place of the file is not written through', async (t) => {
  const directory = scratchDirectory(t);
  symlinkSync('/nowhere/else', join(directory, 'file'));
  await assert.rejects(preparePlace(directory, join(directory, 'file')), {
    ...LOCAL_IO,
    message: /not a regular file/,
  });
});

test('a symbolic link that stays inside is followed', async (t) => {
  const directory = scratchDirectory(t);
  mkdirSync(join(directory, 'actual'));
  symlinkSync('actual', join(directory, 'link'));
  await preparePlace(directory, join(directory, 'link', 'file'));
});

test('a directory that is itself reached by a link is a place like any other', async (t) => {
  const scratch = scratchDirectory(t);
  mkdirSync(join(scratch, 'actual'));
  symlinkSync('actual', join(scratch, 'out'));
  await preparePlace(join(scratch, 'out'), join(scratch, 'out', 'sub', 'file'));
  assert.ok(existsSync(join(scratch, 'actual', 'sub')));
});

test('a file goes to the output, or into it when it is a directory', async (t) => {
  const scratch = scratchDirectory(t);
  assert.equal(await pathForFile('dir/a.bin', undefined), 'a.bin');
  assert.equal(await pathForFile('dir/a.bin', join(scratch, 'b.bin')), join(scratch, 'b.bin'));
  assert.equal(await pathForFile('dir/a.bin', scratch), join(scratch, 'a.bin'));
  assert.equal(await pathForFile('dir/a.bin', `${scratch}/new/`), join(scratch, 'new', 'a.bin'));
});

test('an output below a file is refused', async (t) => {
  const scratch = scratchDirectory(t);
  writeFileSync(join(scratch, 'file'), '');
  await assert.rejects(pathForFile('a.bin', `${join(scratch, 'file')}/`), LOCAL_IO);
});

test('a tree goes to the output, or to a directory of its name', () => {
  assert.equal(directoryForTree('a/b', undefined), 'b');
  assert.equal(directoryForTree('', undefined), '.');
  assert.equal(directoryForTree('a/b', 'out'), 'out');
});
