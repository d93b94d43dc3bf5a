/** One holder at a time, also after a holder was killed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { TransferError } from '../../../src/base/errors.ts';
import { FileLock, type LockHolder } from '../../../src/base/files/file-lock.ts';
import { thisProcess } from '../../../src/base/files/process-identity.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { until } from '../../support/until.ts';

const SINCE = '2026-01-02T03:04:05.678Z';

/** The lock of a process that is not there any more, or what `change` says. `ELSEWHERE` cannot be seen. */
async function lockText(change: Partial<LockHolder> = {}): Promise<string> {
  return JSON.stringify({
    ...(await thisProcess()),
    start: '0',
    since: SINCE,
    token: 'theirs',
    ...change,
  });
}

const ELSEWHERE = { host: 'elsewhere', boot: 'its own' };

/** Longer than any test takes. */
const LONG_MS = 60_000;

function refuse({ pid, since }: LockHolder): TransferError {
  return new TransferError('LOCAL_IO', `held by ${pid} since ${since}`);
}

function acquire(path: string): Promise<FileLock> {
  return FileLock.acquire(path, { refuse, watchMs: LONG_MS });
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

test('a holder that cannot be seen is respected once it shows that it lives', async (t) => {
  const path = join(scratchDirectory(t), 'lock');
  for (const change of [ELSEWHERE, { namespace: 'pid:[1]' }]) {
    const text = await lockText(change);
    writeFileSync(path, text);
    const beats = setInterval(() => utimesSync(path, new Date(), new Date()), 5);
    await assert.rejects(acquire(path), { message: /^held by .* since 2026/ });
    clearInterval(beats);
    assert.equal(readFileSync(path, 'utf8'), text);
  }
});

test('the lock of one that cannot be seen is taken over when it shows nothing, and at once when it is old', async (t) => {
  const path = join(scratchDirectory(t), 'lock');
  const watched: string[] = [];
  const onWatch = ({ host }: LockHolder) => void watched.push(host);
  writeFileSync(path, await lockText(ELSEWHERE));
  await (await FileLock.acquire(path, { refuse, onWatch, watchMs: 50 })).release();
  assert.deepEqual(watched, ['elsewhere']);
  writeFileSync(path, await lockText(ELSEWHERE));
  utimesSync(path, 0, 0);
  await (await FileLock.acquire(path, { refuse, onWatch, watchMs: LONG_MS })).release();
  assert.equal(watched.length, 1);
});

test('a holder touches its lock for as long as it has it, and is told when somebody took it', async (t) => {
  const path = join(scratchDirectory(t), 'lock');
  let losses = 0;
  const onLost = () => {
    losses += 1;
  };
  const lock = await FileLock.acquire(path, { refuse, onLost, beatMs: 5 });
  t.after(() => lock.release());
  for (let beat = 0; beat < 2; beat++) {
    utimesSync(path, 0, 0);
    await until('the lock is touched', () => statSync(path).mtimeMs > 0);
  }
  assert.equal(losses, 0);
  writeFileSync(path, await lockText());
  await until('the holder knows', () => losses > 0);
  await lock.release();
  assert.equal(losses, 1);
  assert.equal(readFileSync(path, 'utf8'), await lockText());
});

test('a lock that was never finished is taken over once it is old', async (t) => {
  const path = join(scratchDirectory(t), 'lock');
  for (const left of ['', '{"ho', '\0\0\0']) {
    writeFileSync(path, left);
    utimesSync(path, 0, 0);
    await (await acquire(path)).release();
  }
});

test('a file in the place of a lock that is none is left as it is', async (t) => {
  const path = join(scratchDirectory(t), 'lock');
  writeFileSync(path, 'precious');
  utimesSync(path, 0, 0);
  await assert.rejects(acquire(path), { code: 'LOCAL_IO', message: /lock is not a lock file; move it away/ });
  assert.equal(readFileSync(path, 'utf8'), 'precious');
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
