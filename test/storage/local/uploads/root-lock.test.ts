/** One server at a time takes uploads for a root; those that only read are not concerned. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { thisProcess } from '../../../../src/base/files/process-identity.ts';
import type { Logger } from '../../../../src/base/logger.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { type LocalStore, openLocalStore } from '../../../../src/storage/local/local-store.ts';
import { scratchRoot } from '../../../support/scratch.ts';
import { asOrdinaryUser, failureOf, namesOf } from '../../../support/stores/scratch-store.ts';
import { until } from '../../../support/until.ts';
import { LAX_OPTIONS, specOf } from './scratch-uploads.ts';

interface Scene {
  readonly root: string;
  readonly lock: string;
  readonly store: LocalStore;
  readonly warnings: string[];
  readonly logger: Logger;
}

async function scene(t: TestContext): Promise<Scene> {
  const root = scratchRoot(t);
  const store = await openLocalStore(root);
  t.after(() => store.close());
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: object, message: string) => void warnings.push(message) };
  return { root, lock: join(root, '.sluice-lock'), store, warnings, logger };
}

/** Of another host. */
async function stranger(): Promise<object> {
  return {
    ...(await thisProcess()),
    host: 'web1',
    boot: 'its own',
    pid: 7,
    since: '2026-01-02T03:04:05Z',
    token: 'x',
  };
}

function pidIn(lock: string): number {
  return (JSON.parse(readFileSync(lock, 'utf8')) as { pid: number }).pid;
}

it('a second store of uploads is refused, with who has the first and what to do', async (t) => {
  const { root, lock, store } = await scene(t);
  const uploads = await store.openUploads(LAX_OPTIONS);
  const other = await openLocalStore(root);
  t.after(() => other.close());
  const { code, message } = await failureOf(other.openUploads(LAX_OPTIONS));
  assert.equal(code, 'INVALID_CONFIG');
  assert.match(
    message,
    new RegExp(`process ${process.pid} on \\S+, .* since \\d{4}-.*; stop it, .*--writable`),
  );
  await uploads.start(specOf('file'));
  await uploads.close();
  assert.ok(!existsSync(lock));
  await (await other.openUploads(LAX_OPTIONS)).close();
});

it('a store that cannot open its uploads does not keep the lock', async (t) => {
  const { lock, root, store } = await scene(t);
  writeFileSync(join(root, '.sluice-uploads'), 'in the way');
  assert.equal((await failureOf(store.openUploads(LAX_OPTIONS))).code, 'INVALID_CONFIG');
  assert.ok(!existsSync(lock));
});

it('the lock of another host that has not been heard of for long is taken over', async (t) => {
  const { lock, store, warnings, logger } = await scene(t);
  writeFileSync(lock, JSON.stringify(await stranger()));
  utimesSync(lock, 0, 0);
  const uploads = await store.openUploads({ ...LAX_OPTIONS, logger });
  assert.equal(pidIn(lock), process.pid);
  assert.deepEqual(warnings, []);
  await uploads.close();
  assert.ok(!existsSync(lock));
});

it('the server of another host is respected as long as it shows that it lives, and the log tells of the wait', async (t) => {
  const { lock, store, warnings, logger } = await scene(t);
  writeFileSync(lock, JSON.stringify(await stranger()));
  const beats = setInterval(() => utimesSync(lock, new Date(), new Date()), 5);
  const { code, message } = await failureOf(store.openUploads({ ...LAX_OPTIONS, logger }));
  clearInterval(beats);
  assert.equal(code, 'INVALID_CONFIG');
  assert.match(message, /process 7 on web1, has taken uploads .* since 2026-01-02T03:04:05Z/);
  assert.match(warnings.join(), /^process 7 on web1 .* whether it still runs$/);
});

it('a server whose lock was taken says so, and takes no more uploads', async (t) => {
  const { lock, store, logger } = await scene(t);
  const errors: string[] = [];
  const error = (_fields: object, message: string) => void errors.push(message);
  const uploads = await store.openUploads({ ...LAX_OPTIONS, logger: { ...logger, error }, lockBeatMs: 5 });
  await uploads.start(specOf('a'));
  const theirs = JSON.stringify(await stranger());
  writeFileSync(lock, theirs);
  await until('the server notices', () => errors.length > 0);
  assert.match(errors.join(), /^another server has taken .sluice-lock .* restart the server that should/);
  for (const attempt of [uploads.start(specOf('b')), uploads.delete('a', { kind: 'any' })]) {
    assert.equal((await failureOf(attempt)).code, 'UNAVAILABLE');
  }
  await uploads.close();
  assert.equal(readFileSync(lock, 'utf8'), theirs);
});

it('a file in the place of the lock that is none is refused with the remedy', async (t) => {
  const { lock, store } = await scene(t);
  writeFileSync(lock, 'precious');
  const { code, message } = await failureOf(store.openUploads(LAX_OPTIONS));
  assert.equal(code, 'INVALID_CONFIG');
  assert.match(message, /^\.sluice-lock is not a lock file; move it away$/);
  assert.equal(readFileSync(lock, 'utf8'), 'precious');
});

it('the lock is not listed and has no name', async (t) => {
  const { lock, store } = await scene(t);
  const uploads = await store.openUploads(LAX_OPTIONS);
  assert.ok(existsSync(lock));
  assert.deepEqual(await namesOf(store.list('', { recursive: true })), []);
  for (const attempt of [store.open('.sluice-lock'), uploads.delete('.sluice-lock', { kind: 'any' })]) {
    assert.equal((await failureOf(attempt)).code, 'INVALID_NAME');
  }
  await uploads.close();
});

it('a directory in which no lock can be made is served, and the log tells of it', async (t) => {
  const { lock, root, store, warnings, logger } = await scene(t);
  chmodSync(root, 0o555);
  const open = () => store.openUploads({ ...LAX_OPTIONS, logger });
  const uploads = await asOrdinaryUser(open);
  assert.ok(!existsSync(lock));
  assert.match(warnings.join(), /^the directory cannot be locked \(EACCES\)/);
  await uploads.close();
});
