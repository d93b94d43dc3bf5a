/** One server at a time takes uploads for a root; those that only read are not concerned. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import type { Logger } from '../../../src/base/logger.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { thisProcess } from '../../../src/base/process-identity.ts';
import { type LocalStore, openLocalStore } from '../../../src/storage/local-store.ts';
import { scratchRoot } from '../../support/scratch.ts';
import { asOrdinaryUser, failureOf, namesOf } from '../scratch-store.ts';
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

it('the lock of another host is taken over, and the log tells of it', async (t) => {
  const { lock, store, warnings, logger } = await scene(t);
  const holder = {
    ...(await thisProcess()),
    host: 'web1',
    pid: 7,
    since: '2026-01-02T03:04:05Z',
    token: 'x',
  };
  writeFileSync(lock, JSON.stringify(holder));
  const uploads = await store.openUploads({ ...LAX_OPTIONS, logger });
  assert.equal(pidIn(lock), process.pid);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /^process 7 on web1 .*2026-01-02T03:04:05Z .*if it still runs, stop it/);
  await uploads.close();
  assert.ok(!existsSync(lock));
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
