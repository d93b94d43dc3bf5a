import assert from 'node:assert/strict';
import { linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Lookups, otherSpelling } from '../../../src/base/files/spelling.ts';
import { scratchDirectory } from '../../support/scratch.ts';

/** A real directory, as a file system that ignores case shows it. */
const FOLDING: Lookups = {
  readdir,
  lstat: async (path) => {
    const entries = await readdir(dirname(path));
    const entry = entries.find((each) => each.toLowerCase() === basename(path).toLowerCase());
    return await lstat(join(dirname(path), entry ?? basename(path)));
  },
};

function scene(t: TestContext): (name: string) => string {
  const directory = scratchDirectory(t);
  writeFileSync(join(directory, 'README'), '');
  mkdirSync(join(directory, 'Übersicht'));
  writeFileSync(join(directory, '123'), '');
  return (name) => join(directory, name);
}

test('a name that is there under another spelling is told, where case is ignored', async (t) => {
  const at = scene(t);
  assert.equal(await otherSpelling(at('readme'), FOLDING), 'README');
  assert.equal(await otherSpelling(at('übersicht'), FOLDING), 'Übersicht');
});

test('a name that is there as it is spelled, or not at all, is no other one', async (t) => {
  const at = scene(t);
  for (const name of ['README', 'Übersicht', '123', 'absent', 'x'.repeat(255)]) {
    assert.equal(await otherSpelling(at(name), FOLDING), undefined, name);
    assert.equal(await otherSpelling(at(name)), undefined, name);
  }
});

test('names that the file system tells apart are two, also with one content', async (t) => {
  const at = scene(t);
  assert.equal(await otherSpelling(at('readme')), undefined);
  linkSync(at('README'), at('readme'));
  assert.equal(await otherSpelling(at('readme')), undefined);
});
