/** The served directory is replaced while it is served: a volume that is mounted anew, a link to the next release. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '../../../src/base/logger.ts';
import { type LocalStore, openLocalStore } from '../../../src/storage/local/local-store.ts';
import { openDescriptors, scratchDirectory } from '../../support/scratch.ts';
import { contentOf, failureOf, namesOf } from '../../support/stores/scratch-store.ts';
import { LAX_OPTIONS, specOf } from './uploads/scratch-uploads.ts';

interface Scene {
  readonly store: LocalStore;
  readonly log: string[];
  at(path: string): string;
}

/** A store at `served`, which sees at each call whether that is another directory. */
async function scene(t: TestContext): Promise<Scene> {
  const directory = scratchDirectory(t);
  const at = (path: string) => join(directory, path);
  makeRelease(at('served'), 'before');
  const log: string[] = [];
  const note = (_fields: object, message: string) => void log.push(message);
  const logger = { ...silentLogger, warn: note, error: note };
  const store = await openLocalStore(at('served'), { logger, lookEveryMs: 0 });
  t.after(() => store.close());
  return { store, log, at };
}

function makeRelease(path: string, content: string): void {
  mkdirSync(path);
  writeFileSync(join(path, content), content);
}

const listed = (store: LocalStore) => namesOf(store.list('', { recursive: true }));

test('a directory that takes the place of the served one is served from then on', async (t) => {
  const { at, log, store } = await scene(t);
  const file = await store.open('before');
  t.after(() => file.close());
  renameSync(at('served'), at('moved'));
  makeRelease(at('served'), 'after');
  assert.deepEqual(await listed(store), ['after']);
  assert.equal((await failureOf(store.stat('before'))).code, 'NOT_FOUND');
  assert.deepEqual(log, ['the served directory was replaced; serving the new one']);
  // A transfer under way keeps its bytes, and is told at its end to ask again.
  assert.equal(await contentOf(file), 'before');
  assert.equal((await failureOf(file.verifyUnchanged())).code, 'UNAVAILABLE');
  assert.ok(!openDescriptors().includes(at('moved')));
});

test('a link that is changed to lead to another directory is followed', async (t) => {
  const { at } = await scene(t);
  symlinkSync('served', at('current'));
  const store = await openLocalStore(at('current'), { lookEveryMs: 0 });
  t.after(() => store.close());
  assert.deepEqual(await listed(store), ['before']);
  makeRelease(at('next'), 'after');
  symlinkSync('next', at('new link'));
  renameSync(at('new link'), at('current'));
  assert.deepEqual(await listed(store), ['after']);
});

test('while the served directory is gone the answer is UNAVAILABLE, and not that it is empty', async (t) => {
  const { at, log, store } = await scene(t);
  renameSync(at('served'), at('moved'));
  for (const attempt of [listed(store), store.stat('before'), store.open('before')]) {
    const { code, message } = await failureOf(attempt);
    assert.equal(code, 'UNAVAILABLE');
    assert.match(message, /the served directory is gone/);
  }
  writeFileSync(at('served'), 'not a directory');
  assert.match((await failureOf(listed(store))).message, /replaced by one that cannot be served/);
  rmSync(at('served'));
  renameSync(at('moved'), at('served'));
  assert.deepEqual(await listed(store), ['before']);
  assert.equal(log.at(-1), 'the served directory is back');
  assert.equal(log.length, 3);
});

test('a server that takes uploads does not leave them behind: it says that the directory was replaced', async (t) => {
  const { at, store } = await scene(t);
  const uploads = await store.openUploads(LAX_OPTIONS);
  t.after(() => uploads.close());
  const { id } = await uploads.start(specOf('file'));
  renameSync(at('served'), at('moved'));
  makeRelease(at('served'), 'after');
  for (const attempt of [listed(store), uploads.start(specOf('other')), uploads.find(id)]) {
    const { code, message } = await failureOf(attempt);
    assert.equal(code, 'UNAVAILABLE');
    assert.match(message, /was replaced, .* restart the server/);
  }
  rmSync(at('served'), { recursive: true });
  renameSync(at('moved'), at('served'));
  assert.equal((await uploads.find(id)).id, id);
});
