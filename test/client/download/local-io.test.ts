/** Local disks that do not do what they should; and descriptors, which must not leak. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { CHUNK_BYTES, clientOf, failureOf, scratchDirectory, someFile, startServer } from '../fixtures.ts';
import { first } from './honest-messages.ts';

/** A directory with room for so many bytes, or undefined where mounting is not permitted. */
async function smallDisk(t: TestContext, bytes: number): Promise<string | undefined> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-disk-'));
  t.after(async () => {
    spawnSync('umount', ['-l', path]);
    await rm(path, { recursive: true, force: true });
  });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return path;
}

test('keeps the part when the disk is full, says so, and resumes when there is room', async (t) => {
  const file = someFile('v1', 25 * CHUNK_BYTES);
  const disk = await smallDisk(t, 30 * CHUNK_BYTES);
  if (disk === undefined) return t.skip('mounting a small tmpfs is not permitted here');
  const server = await startServer(t, { a: file });
  const client = clientOf(t, server);
  await writeFile(join(disk, 'ballast'), Buffer.alloc(10.5 * CHUNK_BYTES));
  const failure = await failureOf(client.download('a', join(disk, 'a')));
  assert.equal(failure.code, 'LOCAL_IO');
  assert.match(failure.message, /a\.part: the disk is full; free space and run the download again/);
  assert.deepEqual((await readdir(disk)).sort(), ['a.part', 'a.part.json', 'ballast']);
  await rm(join(disk, 'ballast'));
  const result = await client.download('a', join(disk, 'a'));
  assert.ok(result.resumedBytes > 0);
  assert.ok((await readFile(join(disk, 'a'))).equals(file.content));
});

test('leaks no descriptor, whatever way downloads end', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  const client = clientOf(t, server);
  const endings: (() => Promise<unknown>)[] = [
    () => client.download('a', join(directory, 'a')),
    () => failureOf(client.download('none', join(directory, 'b'))),
    () => failureOf(client.download('a', directory)),
    () => {
      server.scripts.push({ messages: first(5), ending: new TransferError('DATA_LOSS', 'lost') });
      return failureOf(client.download('a', join(directory, 'c')));
    },
    () => {
      const abort = new AbortController();
      server.scripts.push({ before: () => abort.abort(), messages: first(5) });
      return failureOf(client.download('a', join(directory, 'd'), { signal: abort.signal }));
    },
  ];
  for (const end of endings) await end();
  const before = (await readdir('/proc/self/fd')).length;
  for (let round = 0; round < 10; round++) for (const end of endings) await end();
  assert.equal((await readdir('/proc/self/fd')).length, before);
  assert.deepEqual((await readdir(directory)).sort(), ['a', 'c.part', 'c.part.json']);
});
