/** Each system call of a pack fails in turn, or is the last one: every file is whole or not there, and nothing is left behind. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { Semaphore } from '../../../../../src/base/async/semaphore.ts';
import { TransferError } from '../../../../../src/base/errors.ts';
import { writeErrorOf } from '../../../../../src/storage/local/uploads/disk/write-error.ts';
import type { WriteOutcome } from '../../../../../src/storage/upload-store.ts';
import { openFilesBelow } from '../../../../support/scratch.ts';
import {
  type CallRecord,
  type Fault,
  FaultyFileSystem,
  kindsOf,
  SYNCLESS_FILE_SYSTEM,
} from '../faulty-file-system.ts';
import {
  makeDirectory,
  type ScratchUploads,
  scratchUploads,
  uploadEntries,
  visibleFiles,
} from '../scratch-uploads.ts';
import { codesOf, type PackOptions, writePack } from './pack-of.ts';

const ERRNOS = ['EIO', 'ENOSPC', 'EMFILE', 'EROFS', 'EDQUOT'] as const;

/** One is replaced, one is new in a new directory, one is empty. */
const FEW = { 'directory/old': 'new content', 'new/directory/file': 'a file', empty: '' };
const OLD = { 'directory/old': 'old content' };

/** What may replace nothing is linked, and not renamed. */
const NEW = { 'new/directory/file': { condition: { kind: 'absent' } } } as const;

/** So many that the file system is synced as a whole. */
const MANY = Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`directory/${at}`, `content ${at}`]));

/** The faults of one kind of call on files of one kind of name. */
const SAME_CALLS = 3;

interface Scene extends ScratchUploads {
  readonly faulty: FaultyFileSystem;
}

/** Files that are told apart from what was there before. */
async function sceneWith(
  t: TestContext,
  fault: (index: number, record: CallRecord) => Fault | undefined,
): Promise<Scene> {
  const faulty = new FaultyFileSystem(
    (index, call, target) => fault(index, { call, target }),
    SYNCLESS_FILE_SYSTEM,
  );
  const scratch = await scratchUploads(t, { fileSystem: faulty.fileSystem, minFreeBytes: 1 });
  makeDirectory(scratch.at('directory'));
  for (const [name, content] of Object.entries(OLD)) writeFileSync(scratch.at(name), content);
  return { ...scratch, faulty };
}

/** Writes the files as a client does that wants them there, whatever was. */
async function write(
  { uploads, faulty }: Scene,
  files: Record<string, string>,
  wishes: PackOptions['wishes'] = {},
): Promise<(WriteOutcome | TransferError)[]> {
  try {
    return await writePack(uploads, files, { calls: faulty.systemCalls, condition: { kind: 'any' }, wishes });
  } catch (reason) {
    assert.ok(reason instanceof TransferError, String(reason));
    return Object.keys(files).map(() => reason);
  }
}

async function callsOf(t: TestContext, files: Record<string, string>): Promise<readonly CallRecord[]> {
  const scene = await sceneWith(t, () => undefined);
  const before = scene.faulty.calls.length;
  assert.deepEqual(
    codesOf(await write(scene, files, NEW)),
    Object.keys(files).map(() => 'ok'),
  );
  assert.deepEqual(visibleFiles(scene.root), { ...OLD, ...files });
  return scene.faulty.calls.slice(before);
}

/** Every file is as it was or as it was sent, and what was acknowledged is as it was sent. */
function assertWhole(
  root: string,
  files: Record<string, string>,
  outcomes: readonly WriteOutcome[],
  where: string,
): void {
  const visible = visibleFiles(root);
  for (const [index, [name, content]] of Object.entries(files).entries()) {
    const before: string | undefined = OLD[name as keyof typeof OLD];
    const isAcknowledged = !(outcomes[index] instanceof TransferError);
    const allowed = isAcknowledged ? [content] : [before, content];
    assert.ok(allowed.includes(visible[name] as string), `${where}: ${name} is ${visible[name]}`);
    delete visible[name];
  }
  const others = Object.keys(visible).filter((name) => !(name in OLD));
  assert.deepEqual(others, [], where);
}

/** A few scenes at a time: most of it is waiting for a clock tick to pass. Of calls for many files, the first ones. */
async function eachOf(
  calls: readonly CallRecord[],
  work: (call: CallRecord, at: number) => Promise<void>,
): Promise<void> {
  const semaphore = new Semaphore(8);
  const chosen = kindsOf(calls, SAME_CALLS);
  await Promise.all(chosen.map((at) => semaphore.run(() => work(calls[at] as CallRecord, at))));
}

/** Counts the calls of a pack only, and not those of opening the store. */
function atCall(
  at: number,
  fault: Fault,
): { fault: (index: number) => Fault | undefined; arm(scene: Scene): void } {
  let first = Number.POSITIVE_INFINITY;
  return {
    fault: (index) => (index === first + at ? fault : undefined),
    arm: ({ faulty }) => {
      first = faulty.calls.length;
    },
  };
}

describe('each failing call of a pack', () => {
  for (const [title, files, errnos] of [
    ['a few files', FEW, ERRNOS],
    ['many files', MANY, ['EIO'] as const],
  ] as const) {
    for (const errno of errnos) {
      it(`of ${title} has the documented code for ${errno}, tears nothing and leaves nothing`, async (t) => {
        await eachOf(await callsOf(t, files), async ({ call, target }, at) => {
          const where = `${errno} at call ${at}, ${call} ${target}`;
          const armed = atCall(at, { kind: 'errno', errno });
          const scene = await sceneWith(t, armed.fault);
          armed.arm(scene);
          const outcomes = await write(scene, files, NEW);
          for (const outcome of outcomes)
            if (outcome instanceof TransferError)
              assert.equal(outcome.code, writeErrorOf(errno, '').code, `${where}: ${outcome.message}`);
          assertWhole(scene.root, files, outcomes, where);
          assert.deepEqual(
            codesOf(await write(scene, files)),
            Object.keys(files).map(() => 'ok'),
            where,
          );
          await scene.uploads.close();
          // A beat of the lock may be under way.
          const open = openFilesBelow(scene.root).filter((path) => !path.includes('.sluice-lock'));
          assert.deepEqual(open, [], where);
          // A temporary file that could not be removed is the next start's.
          const later = await scene.reopen({ fileSystem: SYNCLESS_FILE_SYSTEM });
          await writePack(later, { another: '' });
          assert.deepEqual(uploadEntries(scene.root), [], where);
        });
      });
    }

    for (const when of ['before', 'after'] as const) {
      it(`of ${title} may be the last one before a crash (${when} its effect)`, async (t) => {
        await eachOf(await callsOf(t, files), async ({ call, target }, at) => {
          const where = `crash ${when} call ${at}, ${call} ${target}`;
          const armed = atCall(at, { kind: 'crash', when });
          const scene = await sceneWith(t, armed.fault);
          armed.arm(scene);
          const outcomes = await write(scene, files, NEW);
          assertWhole(scene.root, files, outcomes, where);
          const later = await scene.reopen({ fileSystem: SYNCLESS_FILE_SYSTEM });
          const again = await writePack(later, files, { condition: { kind: 'any' } });
          assert.deepEqual(
            codesOf(again),
            Object.keys(files).map(() => 'ok'),
            where,
          );
          assert.deepEqual(visibleFiles(scene.root), { ...OLD, ...files }, where);
          assert.deepEqual(uploadEntries(scene.root), [], where);
        });
      });
    }
  }
});

describe('a disk that is full in the middle of a pack', () => {
  it('fails the files that have no room, and keeps the others', async (t) => {
    let writes = 0;
    const scene = await sceneWith(t, (_index, { call }) => {
      if (call !== 'write') return undefined;
      writes += 1;
      return writes > 5 ? { kind: 'errno', errno: 'ENOSPC' } : undefined;
    });
    const codes = codesOf(await write(scene, MANY));
    assert.deepEqual(
      codes,
      Object.keys(MANY).map((_, at) => (at < 5 ? 'ok' : 'DISK_FULL')),
    );
    assert.equal(Object.keys(visibleFiles(scene.root)).length, 5 + Object.keys(OLD).length);
    assert.deepEqual(uploadEntries(scene.root), []);
  });

  it('is refused at once when less would be left than is kept free', async (t) => {
    const { root, uploads } = await scratchUploads(t, { minFreeBytes: Number.MAX_SAFE_INTEGER });
    await assert.rejects(writePack(uploads, FEW), { code: 'DISK_FULL' });
    assert.deepEqual(visibleFiles(root), {});
  });
});
