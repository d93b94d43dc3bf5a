import assert from 'node:assert/strict';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Counters } from '../../../../../src/base/counters/counters.ts';
import { silentLogger } from '../../../../../src/base/logger.ts';
import { Durability } from '../../../../../src/storage/local/uploads/disk/durability.ts';
import { nodeFileSystem } from '../../../../../src/storage/local/uploads/disk/file-system.ts';
import { GroupSync, type SyncMember } from '../../../../../src/storage/local/uploads/disk/group-sync.ts';
import { FileSystemSyncer } from '../../../../../src/storage/local/uploads/disk/sync-file-system.ts';
import { scratchDirectory } from '../../../../support/scratch.ts';

interface Scene {
  readonly sync: GroupSync;
  /** Of the file system, in order: what each did is up to the test. */
  readonly syncs: { end(error?: Error): void }[];
}

/** `isAble`: the first sync of the file system, which tries it, succeeds. */
function sceneOf(isAble = true, isOn = true): Scene {
  const syncs: Scene['syncs'] = [];
  let isTried = false;
  const syncFileSystem = async () => {
    if (!isTried) {
      isTried = true;
      if (!isAble) throw systemError('ENOSYS');
      return;
    }
    await new Promise<void>((resolve, reject) =>
      syncs.push({ end: (error) => (error === undefined ? resolve() : reject(error)) }),
    );
  };
  const durability = new Durability({ ...nodeFileSystem, syncFileSystem }, isOn, new Counters());
  return { sync: new GroupSync(durability, () => '/', silentLogger), syncs };
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** A pack of `count` files; `done` counts those that were synced by themselves. */
function memberOf(count: number, error?: Error): SyncMember & { done: number } {
  const member = {
    count,
    done: 0,
    each: async () => {
      if (error !== undefined) throw error;
      member.done += count;
    },
  };
  return member;
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
}

describe('a group of syncs', () => {
  it('takes one sync of the file system for many files, fsyncs for few', async () => {
    const { sync, syncs } = sceneOf();
    const [few, many] = [memberOf(3), memberOf(100)];
    await sync.run(few);
    assert.equal(few.done, 3);
    const run = sync.run(many);
    await turns();
    assert.equal(syncs.length, 1);
    syncs[0]?.end();
    await run;
    assert.equal(many.done, 0);
  });

  it('makes all durable together that came while another commit ran, and none that came too late', async () => {
    const { sync, syncs } = sceneOf();
    const first = sync.run(memberOf(20));
    await turns();
    const members = [memberOf(6), memberOf(6), memberOf(6)];
    let ended = 0;
    const others = members.map((member) => sync.run(member).then(() => (ended += 1)));
    await turns();
    assert.equal(syncs.length, 1);
    syncs[0]?.end();
    await first;
    await turns();
    assert.equal(ended, 0, 'the sync that began before they came says nothing of them');
    assert.equal(syncs.length, 2);
    syncs[1]?.end();
    await Promise.all(others);
    assert.deepEqual(
      members.map(({ done }) => done),
      [0, 0, 0],
    );
  });

  it('fails for all that were in it, and is not tried again', async () => {
    const { sync, syncs } = sceneOf();
    const first = sync.run(memberOf(20));
    await turns();
    const members = [memberOf(10), memberOf(10)];
    const failing = members.map((member) => assert.rejects(sync.run(member), { code: 'EIO' }));
    syncs[0]?.end();
    await first;
    await turns();
    syncs[1]?.end(systemError('EIO'));
    await Promise.all(failing);
    await turns();
    assert.equal(syncs.length, 2);
    assert.deepEqual(
      members.map(({ done }) => done),
      [0, 0],
    );
    const later = sync.run(memberOf(20));
    await turns();
    syncs[2]?.end();
    await later;
  });

  it('fails for all when one of several fsyncs does', async () => {
    const { sync } = sceneOf();
    const first = sync.run(memberOf(1));
    const [good, bad] = [memberOf(1), memberOf(1, systemError('EIO'))];
    const runs = [sync.run(good), sync.run(bad)].map((run) => assert.rejects(run, { code: 'EIO' }));
    await first;
    await Promise.all(runs);
  });

  it('fsyncs each where a file system cannot be synced as a whole', async () => {
    const { sync, syncs } = sceneOf(false);
    const many = memberOf(100);
    await sync.run(many);
    await sync.run(many);
    assert.equal(many.done, 200);
    assert.equal(syncs.length, 0);
  });

  it('does nothing where nothing is to be synced', async () => {
    const { sync, syncs } = sceneOf(true, false);
    const many = memberOf(100);
    await sync.run(many);
    assert.equal(many.done + syncs.length, 0);
  });
});

describe('the sync of a whole file system', () => {
  const isLinux = process.platform === 'linux';

  /** One whose programs are found in `path` only; undefined for all. */
  function syncerIn(t: TestContext, path?: string): FileSystemSyncer {
    const { PATH } = process.env;
    if (path !== undefined) process.env.PATH = path;
    const syncer = new FileSystemSyncer();
    t.after(() => {
      process.env.PATH = PATH;
      syncer.close();
    });
    return syncer;
  }

  it('runs, one behind the other, or says that there is none here', async (t) => {
    const syncer = syncerIn(t);
    const syncs = [1, 2, 3].map(() => syncer.sync(scratchDirectory(t)));
    const ends = await Promise.allSettled(syncs);
    for (const end of ends) assert.equal(end.status, isLinux ? 'fulfilled' : 'rejected');
  });

  it('says that there is none where the programs are missing', async (t) => {
    await assert.rejects(syncerIn(t, '/nowhere').sync('/'), { code: 'ENOSYS' });
  });

  it('fails when the program does, and when the shell is gone; then it starts again', async (t) => {
    const path = scratchDirectory(t);
    symlinkSync('/bin/sh', join(path, 'sh'));
    writeFileSync(join(path, 'sync'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const syncer = syncerIn(t, path);
    const code = isLinux ? 'EIO' : 'ENOSYS';
    await assert.rejects(syncer.sync(path), { code });
    writeFileSync(join(path, 'sync'), '#!/bin/sh\nkill -9 $PPID\n', { mode: 0o755 });
    await assert.rejects(syncer.sync(path), { code });
    if (!isLinux) return;
    writeFileSync(join(path, 'sync'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    await syncer.sync(path);
  });
});
