import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import { TransferError } from '../../../../src/base/errors.ts';
import type { TreeClient } from '../../../../src/client/tree/tree-client.ts';
import { StoredDirectories } from '../../../../src/client/tree/upload/stored-directories.ts';

/** A server that makes directories when it is told to. */
class SlowServer {
  readonly asked: string[] = [];
  readonly #ends = new Map<string, (error?: TransferError) => void>();
  readonly client = {
    makeDirectory: (name: string) => {
      this.asked.push(name);
      return new Promise<void>((resolve, reject) => {
        this.#ends.set(name, (error) => (error === undefined ? resolve() : reject(error)));
      });
    },
  } as unknown as TreeClient;

  async end(name: string, error?: TransferError): Promise<void> {
    this.#ends.get(name)?.(error);
    await turnOfEventLoop();
  }
}

const STATS = statSync('.');

function scene() {
  const server = new SlowServer();
  const directories = new StoredDirectories(server.client, new AbortController().signal);
  const begin = (name: string) =>
    directories.begin({ name, path: `/here/${name}`, found: STATS }, STATS, undefined);
  return { server, directories, begin };
}

test('directories are made at the same time, each behind the one that it is in, and files wait for theirs', async () => {
  const { begin, directories, server } = scene();
  await begin('a');
  await begin('a/b');
  await begin('c');
  await turnOfEventLoop();
  assert.deepEqual(server.asked, ['a', 'c']);
  let mayMove = false;
  void directories.parentOf('a/b/file')?.then(() => (mayMove = true));
  await server.end('a');
  assert.deepEqual(server.asked, ['a', 'c', 'a/b']);
  assert.equal(directories.parentOf('a/file'), undefined);
  assert.equal(mayMove, false);
  await server.end('a/b');
  assert.equal(mayMove, true);
  assert.equal(directories.parentOf('file'), undefined);
});

test('a directory that cannot be made is told of once, and keeps nobody waiting', async () => {
  const { begin, directories, server } = scene();
  await begin('a');
  const file = directories.parentOf('a/file');
  const error = new TransferError('DISK_FULL', 'no space');
  await server.end('a', error);
  await file;
  await directories.made();
  assert.deepEqual(directories.takeFailures(), [{ path: '/here/a', error }]);
  assert.deepEqual(directories.takeFailures(), []);
});

test('only a few are made at the same time', async () => {
  const { begin, server } = scene();
  let begun = 0;
  const all = (async () => {
    for (let index = 0; index < 100; index += 1) {
      await begin(`d${index}`);
      begun = index;
    }
  })();
  await turnOfEventLoop();
  const most = server.asked.length;
  assert.ok(most < 20 && begun < 20);
  for (let index = 0; index < 100; index += 1) {
    await server.end(`d${index}`);
    assert.ok(server.asked.length <= index + 1 + most);
  }
  await all;
});
