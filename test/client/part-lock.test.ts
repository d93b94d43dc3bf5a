/** One download at a time for each target, also after a holder was killed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PartLock } from '../../src/client/part-lock.ts';
import { clientOf, failureOf, scratchDirectory, someFile, startServer } from './fixtures.ts';

/** The id of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['--version']).pid;
}

function holder(change: object): string {
  return JSON.stringify({ host: hostname(), pid: deadPid(), startedAt: 'x', token: 'y', ...change });
}

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

const STALE: Record<string, () => string> = {
  'a process that has ended': () => holder({}),
  'an earlier process with the same id': () => holder({ pid: process.pid }),
};

for (const [whose, content] of Object.entries(STALE)) {
  test(`takes over the lock of ${whose}`, async (t) => {
    const path = join(await scratchDirectory(t), 'lock');
    await writeFile(path, content());
    const lock = await PartLock.acquire(path);
    assert.ok(await lock.isHeld());
    await lock.release();
    await lock.release();
    await assert.rejects(readFile(path), { code: 'ENOENT' });
  });
}

test('takes over a lock that was never finished, once it is old', async (t) => {
  const path = join(await scratchDirectory(t), 'lock');
  await writeFile(path, '');
  await assert.rejects(PartLock.acquire(path), { code: 'LOCAL_IO' });
  await utimes(path, 0, 0);
  await (await PartLock.acquire(path)).release();
});

test('respects the lock of another host', async (t) => {
  const path = join(await scratchDirectory(t), 'lock');
  await writeFile(path, holder({ host: 'elsewhere' }));
  await assert.rejects(PartLock.acquire(path), { code: 'LOCAL_IO', message: /on elsewhere .*remove/ });
});

test('gets over a process that was killed while it took over a lock', async (t) => {
  const path = join(await scratchDirectory(t), 'lock');
  await writeFile(path, holder({}));
  await writeFile(`${path}.guard`, '');
  await utimes(`${path}.guard`, 0, 0);
  await assert.rejects(PartLock.acquire(path), { code: 'LOCAL_IO' });
  await (await PartLock.acquire(path)).release();
});

test('lets one of many take over a stale lock', async (t) => {
  const directory = await scratchDirectory(t);
  for (let round = 0; round < 20; round++) {
    const path = join(directory, `lock-${round}`);
    await writeFile(path, holder({}));
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => PartLock.acquire(path)));
    const locks = tries.flatMap((settled) => (settled.status === 'fulfilled' ? [settled.value] : []));
    const held = await Promise.all(locks.map((lock) => lock.isHeld()));
    assert.equal(held.filter(Boolean).length, 1);
    assert.equal(locks.length, 1);
  }
  assert.equal((await readdir(directory)).length, 20);
});
