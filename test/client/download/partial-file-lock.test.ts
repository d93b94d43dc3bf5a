/** One download at a time for each target. */
import assert from 'node:assert/strict';
import { utimesSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { thisProcess } from '../../../src/base/files/process-identity.ts';
import { clientOf, failureOf, scratchDirectory, someFile, startServer } from '../fixtures.ts';

test('refuses a second download to the same target, and the first one is right', async (t) => {
  const file = someFile();
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  const client = clientOf(t, server);
  const second: Promise<{ code?: string; message: string }>[] = [];
  server.scripts.push({
    before: async () => {
      second.push(failureOf(client.download('a', join(directory, 'a'))));
      await second[0];
    },
  });
  await client.download('a', join(directory, 'a'));
  const failure = await (second[0] as Promise<{ code?: string; message: string }>);
  assert.equal(failure.code, 'LOCAL_IO');
  assert.match(failure.message, new RegExp(`process ${process.pid} is already downloading`));
  assert.deepEqual(await readFile(join(directory, 'a')), file.content);
  assert.deepEqual(await readdir(directory), ['a']);
});

test('respects the lock of another host while its holder shows that it lives, and takes it over later', async (t) => {
  const directory = await scratchDirectory(t);
  const file = someFile();
  const server = await startServer(t, { a: file });
  const lock = join(directory, 'a.part.lock');
  const holder = {
    ...(await thisProcess()),
    host: 'elsewhere',
    boot: 'its own',
    since: new Date().toISOString(),
    token: 'theirs',
  };
  await writeFile(lock, JSON.stringify(holder));
  const client = clientOf(t, server);
  const beats = setInterval(() => utimesSync(lock, new Date(), new Date()), 5);
  const failure = await failureOf(client.download('a', join(directory, 'a')));
  clearInterval(beats);
  assert.equal(failure.code, 'LOCAL_IO');
  assert.match(failure.message, /on elsewhere .*remove .*a\.part\.lock/);
  utimesSync(lock, 0, 0);
  await client.download('a', join(directory, 'a'));
  assert.deepEqual(await readFile(join(directory, 'a')), file.content);
});
