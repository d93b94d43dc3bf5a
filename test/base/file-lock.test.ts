/** One holder at a time, also after a holder was killed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { TransferError } from '../../src/base/errors.ts';
import { FileLock, type LockHolder } from '../../src/base/file-lock.ts';
import { thisProcess } from '../../src/base/process-identity.ts';
import { scratchDirectory } from '../support/scratch.ts';

const SINCE = '2026-01-02T03:04:05.678Z';

/** The lock of a process that is not there any more, or what `change` says. */
async function lockText(change: Partial<LockHolder> = {}): Promise<string> {
  return JSON.stringify({
    ...(await thisProcess()),
    boot: 'earlier',
    since: SINCE,
    token: 'theirs',
    ...change,
  });
}

function refuse({ pid, since }: LockHolder): TransferError {
  return new TransferError('LOCAL_IO', `held by ${pid} since ${since}`);
}

function acquire(path: string): Promise<FileLock> {
  return FileLock.acquire(path, refuse);
}

test('a lock is refused while it is held, naming the holder, and free once it is released', async (t) => {
  const directory = scratchDirectory(t);
  const path = join(directory, 'lock');
  const lock = await acquire(path);
  await assert.rejects(acquire(path), {
    code: 'LOCAL_IO',
    message: new RegExp(`^held by ${process.pid} since `),
  });
  assert.ok(await lock.isHeld());
  await lock.release();
  await lock.release();
  assert.deepEqual(readdirSync(directory), []);
  await (await acquire(path)).release();
});

test('the lock of a process that is gone is taken over', async (t) => {
  const directory = scratchDirectory(t);
  const path = join(directory, 'lock');
  writeFileSync(path, await lockText());
  const lock = await acquire(path);
  assert.ok(await lock.isHeld());
  await lock.release();
  assert.deepEqual(readdirSync(directory), []);
});

test('the lock of another host is taken over or respected, as is asked for', async (t) => {
  const path = join(scratchDirectory(t), 'lock');
  const text = await lockText({ host: 'elsewhere' });
  writeFileSync(path, text);
  await assert.rejects(acquire(path), { message: /^held by .* since 2026/ });
  assert.equal(readFileSync(path, 'utf8'), text);
  const hosts = new Set<string>();
  const lock = await FileLock.acquire(path, ({ host }) => {
    hosts.add(host);
    return undefined;
  });
  assert.ok(await lock.isHeld());
  assert.deepEqual([...hosts], ['elsewhere']);
});

test('a lock that was never finished is taken over once it is old', async (t) => {
  const path = join(scratchDirectory(t), 'lock');
  writeFileSync(path, '');
  utimesSync(path, 0, 0);
  await (await acquire(path)).release();
});

test('a lock that is being written is waited for', async (t) => {
  const path = join(scratchDirectory(t), 'lock');
  writeFileSync(path, '');
  let isSettled = false;
  const waiting = assert.rejects(acquire(path), { code: 'LOCAL_IO' }).finally(() => {
    isSettled = true;
  });
  // Many times as long as it takes to take a lock over.
  await delay(100);
  assert.ok(!isSettled);
  writeFileSync(path, await lockText(await thisProcess()));
  await waiting;
});

test('a process that was killed while it took over a lock is got over', async (t) => {
  const directory = scratchDirectory(t);
  const path = join(directory, 'lock');
  for (const name of ['lock', 'lock.guard', 'lock.guard.guard']) {
    writeFileSync(join(directory, name), await lockText({ token: name }));
  }
  await (await acquire(path)).release();
  assert.deepEqual(readdirSync(directory), []);
});

test('a lock that somebody else has taken over is not removed by its former holder', async (t) => {
  const path = join(scratchDirectory(t), 'lock');
  const lock = await acquire(path);
  writeFileSync(path, await lockText());
  assert.ok(!(await lock.isHeld()));
  await lock.release();
  assert.equal(readFileSync(path, 'utf8'), await lockText());
});

test('one of many takes over a stale lock', async (t) => {
  const directory = scratchDirectory(t);
  for (let round = 0; round < 20; round++) {
    const path = join(directory, `lock-${round}`);
    writeFileSync(path, await lockText());
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => acquire(path)));
    const locks = tries.flatMap((settled) => (settled.status === 'fulfilled' ? [settled.value] : []));
    assert.equal(locks.length, 1);
    assert.ok(await locks[0]?.isHeld());
  }
  assert.equal(readdirSync(directory).length, 20);
});
