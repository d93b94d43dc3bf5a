/** Each system call of an upload fails in turn, with each error a disk has: nothing is lost, nothing leaks. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { Semaphore } from '../../../../src/base/async/semaphore.ts';
import { writeErrorOf } from '../../../../src/storage/local/uploads/disk/write-error.ts';
import type { UploadStore, WriteCondition } from '../../../../src/storage/upload-store.ts';
import { openFilesBelow } from '../../../support/scratch.ts';
import { type CallRecord, type Fault, FaultyFileSystem, SYNCLESS_FILE_SYSTEM } from './faulty-file-system.ts';
import { Journey, outcomeOf } from './journey.ts';
import {
  makeDirectory,
  type ScratchUploads,
  scratchUploads,
  uploadEntries,
  visibleFiles,
} from './scratch-uploads.ts';

const ERRNOS = ['EIO', 'ENOSPC', 'EFBIG', 'EMFILE', 'EROFS', 'EDQUOT'] as const;
const NAME = 'directory/file';
const CONTENT = 'first half, other half';

interface Scene extends ScratchUploads {
  readonly faulty: FaultyFileSystem;
}

/** Uploads whose call number `at` (all later ones too, when it crashes) meets `fault`. */
async function sceneWith(t: TestContext, at: number, fault: Fault | undefined, old?: string): Promise<Scene> {
  const faulty = new FaultyFileSystem((index) => (index === at ? fault : undefined), SYNCLESS_FILE_SYSTEM);
  const scratch = await scratchUploads(t, { fileSystem: faulty.fileSystem, minFreeBytes: 1 });
  if (old !== undefined) {
    makeDirectory(scratch.at('directory'));
    writeFileSync(scratch.at(NAME), old);
  }
  return { ...scratch, faulty };
}

function journeyIn(scene: Scene, condition: WriteCondition): Journey {
  return new Journey({ name: NAME, content: CONTENT, condition, fileSystem: scene.faulty.fileSystem });
}

/** What the calls of `work` are when nothing goes wrong. */
async function callsOf(
  t: TestContext,
  condition: WriteCondition,
  old?: string,
): Promise<readonly CallRecord[]> {
  const scene = await sceneWith(t, -1, undefined, old);
  await journeyIn(scene, condition).run(scene.uploads);
  return [...scene.faulty.calls];
}

/** Once these stores are closed, nothing is under way, and nothing may be open. */
async function leavesNothingOpen(root: string, where: string, ...stores: UploadStore[]): Promise<void> {
  for (const store of stores) await store.close();
  assert.deepEqual(openFilesBelow(root), [], where);
}

interface Case {
  readonly title: string;
  readonly condition: WriteCondition;
  readonly errnos: readonly (typeof ERRNOS)[number][];
  readonly old?: string;
}

/** What an errno becomes does not depend on what is replaced. */
const CASES: readonly Case[] = [
  { title: 'a new file', condition: { kind: 'absent' }, errnos: ERRNOS },
  {
    title: 'a file that replaces another',
    condition: { kind: 'any' },
    errnos: ['EIO', 'ENOSPC'],
    old: 'old content',
  },
];

for (const { title, condition, errnos, old } of CASES) {
  describe(`each failing call of an upload of ${title}`, () => {
    const before = old === undefined ? {} : { [NAME]: old };

    for (const errno of errnos) {
      it(`has the documented code for ${errno}, loses nothing and leaves no descriptor`, async (t) => {
        const calls = await callsOf(t, condition, old);
        await eachOf(calls, async ({ call, target }, at) => {
          const where = `${errno} at call ${at}, ${call} ${target}`;
          const scene = await sceneWith(t, at, { kind: 'errno', errno }, old);
          const journey = journeyIn(scene, condition);
          const failure = await outcomeOf(journey.run(scene.uploads));
          const isChunk = failure !== undefined && /injected/.test(failure.message);
          if (failure !== undefined && !isChunk)
            assert.equal(failure.code, writeErrorOf(errno, NAME).code, where);
          const visible = visibleFiles(scene.root);
          assert.ok(
            [JSON.stringify(before), JSON.stringify({ [NAME]: CONTENT })].includes(JSON.stringify(visible)),
            where,
          );
          const again = await outcomeOf(journey.run(scene.uploads));
          // Only a name that may not be durable has to wait for another process.
          if (again !== undefined) {
            assert.deepEqual(visible, { [NAME]: CONTENT }, `${where}: ${again.message}`);
            await scene.uploads.close();
            const later = await scene.reopen({ fileSystem: SYNCLESS_FILE_SYSTEM });
            await journey.run(later);
            await later.close();
          }
          assert.deepEqual(visibleFiles(scene.root), { [NAME]: CONTENT }, where);
          await leavesNothingOpen(scene.root, where, scene.uploads);
        });
      });
    }

    for (const when of ['before', 'after'] as const) {
      it(`may be the last one before a crash (${when} its effect)`, async (t) => {
        const calls = await callsOf(t, condition, old);
        await eachOf(calls, async ({ call, target }, at) => {
          const where = `crash ${when} call ${at}, ${call} ${target}`;
          const scene = await sceneWith(t, at, { kind: 'crash', when }, old);
          const journey = journeyIn(scene, condition);
          await outcomeOf(journey.run(scene.uploads));
          const visible = visibleFiles(scene.root);
          assert.ok(
            [JSON.stringify(before), JSON.stringify({ [NAME]: CONTENT })].includes(JSON.stringify(visible)),
            where,
          );
          const later = await scene.reopen({ fileSystem: SYNCLESS_FILE_SYSTEM });
          await resume(later, new Journey({ name: NAME, content: CONTENT, condition }), journey, where);
          assert.deepEqual(visibleFiles(scene.root), { [NAME]: CONTENT }, where);
          await leavesNothingOpen(scene.root, where, scene.uploads, later);
        });
      });
    }
  });
}

/** Runs `work` for each call, a few scenes at a time: most of it is waiting for a clock tick to pass. */
async function eachOf(
  calls: readonly CallRecord[],
  work: (call: CallRecord, at: number) => Promise<void>,
): Promise<void> {
  const semaphore = new Semaphore(8);
  await Promise.all(calls.map((call, at) => semaphore.run(() => work(call, at))));
}

/** What a client does after the server was started again. */
async function resume(uploads: UploadStore, anew: Journey, journey: Journey, where: string): Promise<void> {
  anew.id = journey.id;
  anew.acknowledged = journey.acknowledged;
  const failure = await outcomeOf(anew.run(uploads));
  assert.equal(failure, undefined, `${where}: ${failure?.message}`);
  if (journey.file !== undefined) assert.deepEqual(anew.file, journey.file, where);
}

describe('each failing call of an abort', () => {
  async function abortOf(scene: Scene): Promise<Journey> {
    const journey = journeyIn(scene, { kind: 'absent' });
    const upload = await journey.begin(scene.uploads);
    await upload.abort();
    return journey;
  }

  it('leaves an upload that can be aborted again', async (t) => {
    const dry = await sceneWith(t, -1, undefined);
    await abortOf(dry);
    for (const at of dry.faulty.calls.keys()) {
      const scene = await sceneWith(t, at, { kind: 'errno', errno: 'EIO' });
      const journey = journeyIn(scene, { kind: 'absent' });
      if ((await outcomeOf(journey.begin(scene.uploads))) !== undefined) continue;
      const upload = await scene.uploads.find(journey.id ?? '');
      const failure = await outcomeOf(upload.abort());
      if (failure !== undefined) assert.equal(failure.code, 'WRITE_FAILED');
      await upload.abort();
      assert.deepEqual(uploadEntries(scene.root), []);
      await leavesNothingOpen(scene.root, `call ${at}`, scene.uploads);
    }
  });

  it('may be the last one before a crash', async (t) => {
    const dry = await sceneWith(t, -1, undefined);
    await abortOf(dry);
    for (const at of dry.faulty.calls.keys()) {
      for (const when of ['before', 'after'] as const) {
        const scene = await sceneWith(t, at, { kind: 'crash', when });
        const journey = journeyIn(scene, { kind: 'absent' });
        const started = await outcomeOf(journey.begin(scene.uploads));
        if (started !== undefined) continue;
        await outcomeOf(scene.uploads.find(journey.id ?? '').then((upload) => upload.abort()));
        const later = await scene.reopen({ fileSystem: SYNCLESS_FILE_SYSTEM });
        const failure = await outcomeOf(later.find(journey.id ?? '').then((upload) => upload.abort()));
        if (failure !== undefined) assert.equal(failure.code, 'UPLOAD_NOT_FOUND');
        assert.deepEqual(uploadEntries(scene.root), []);
      }
    }
  });
});

describe('each failing call of a delete', () => {
  for (const errno of ERRNOS) {
    it(`has the documented code for ${errno}, and the file is there or not`, async (t) => {
      const dry = await sceneWith(t, -1, undefined, 'content');
      await dry.uploads.delete(NAME, { kind: 'any' });
      for (const at of dry.faulty.calls.keys()) {
        const scene = await sceneWith(t, at, { kind: 'errno', errno }, 'content');
        const failure = await outcomeOf(scene.uploads.delete(NAME, { kind: 'any' }));
        assert.equal(failure?.code, writeErrorOf(errno, NAME).code);
        const again = await outcomeOf(scene.uploads.delete(NAME, { kind: 'any' }));
        assert.ok(again === undefined || again.code === 'NOT_FOUND');
        assert.deepEqual(visibleFiles(scene.root), {});
        await leavesNothingOpen(scene.root, `call ${at}`, scene.uploads);
      }
    });
  }
});
