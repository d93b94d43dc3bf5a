/** One download at a time for each target. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { thisProcess } from '../../src/base/process-identity.ts';
import { clientOf, failureOf, scratchDirectory, someFile, startServer } from './fixtures.ts';

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

test('respects the lock of another host', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  const holder = {
    ...(await thisProcess()),
    host: 'elsewhere',
    since: new Date().toISOString(),
    token: 'theirs',
  };
  await writeFile(join(directory, 'a.part.lock'), JSON.stringify(holder));
  const failure = await failureOf(clientOf(t, server).download('a', join(directory, 'a')));
  assert.equal(failure.code, 'LOCAL_IO');
  assert.match(failure.message, /on elsewhere .*remove .*a\.part\.lock/);
});
