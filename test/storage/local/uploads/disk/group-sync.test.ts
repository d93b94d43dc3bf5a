import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Counters } from '../../../../../src/base/counters/counters.ts';
import { silentLogger } from '../../../../../src/base/logger.ts';
import { Durability } from '../../../../../src/storage/local/uploads/disk/durability.ts';
import { nodeFileSystem } from '../../../../../src/storage/local/uploads/disk/file-system.ts';
import { GroupSync, type SyncMember } from '../../../../../src/storage/local/uploads/disk/group-sync.ts';

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
  it('runs, or says that there is none here', async (t) => {
    const path = mkdtempSync(join(tmpdir(), 'sluice-sync-'));
    t.after(() => rmSync(path, { recursive: true }));
    const failure = await nodeFileSystem.syncFileSystem(path).then(
      () => undefined,
      (reason: NodeJS.ErrnoException) => reason.code,
    );
    assert.ok(failure === undefined || (failure === 'ENOSYS' && process.platform !== 'linux'), failure);
  });

  it('says that there is none where the program is missing', async (t) => {
    const { PATH } = process.env;
    process.env.PATH = '/nowhere';
    t.after(() => (process.env.PATH = PATH));
    await assert.rejects(nodeFileSystem.syncFileSystem(tmpdir()), { code: 'ENOSYS' });
  });

  it('fails when the program does', async (t) => {
    const { PATH } = process.env;
    const path = mkdtempSync(join(tmpdir(), 'sluice-sync-'));
    t.after(() => {
      process.env.PATH = PATH;
      rmSync(path, { recursive: true });
    });
    writeFileSync(join(path, 'sync'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    process.env.PATH = path;
    await assert.rejects(nodeFileSystem.syncFileSystem(path), {
      code: process.platform === 'linux' ? 'EIO' : 'ENOSYS',
    });
  });
});
