/** The power is cut at each system call of a pack: what was acknowledged is there, and no file is torn. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Semaphore } from '../../../../../src/base/async/semaphore.ts';
import { TransferError } from '../../../../../src/base/errors.ts';
import type { WriteOutcome } from '../../../../../src/storage/upload-store.ts';
import { scratchRoot } from '../../../../support/scratch.ts';
import { Random, seedOf } from '../../../../support/seed.ts';
import { type CallRecord, FaultyFileSystem, kindsOf } from '../faulty-file-system.ts';
import { type Negligence, PowerCutDisk } from '../power-cut.ts';
import { openUploads, uploadEntries, visibleFiles } from '../scratch-uploads.ts';
import { codesOf, writePack } from './pack-of.ts';

/** Several sectors, the last one not whole. */
const CONTENT = Array.from({ length: 150 }, (_, index) => `line ${index}\n`).join('');

const FEW = { 'new/directory/file': CONTENT, 'new/other': CONTENT.slice(0, 700), top: 'small' };

/** So many that the file system is synced as a whole. */
const MANY = Object.fromEntries(
  Array.from({ length: 17 }, (_, at) => [`new/directory/${at}`, `${at}${CONTENT}`]),
);

/** Random outcomes for each cut, besides the worst one. */
const TRIALS = 1;
const SCENES_AT_ONCE = 8;

/** The cuts at one kind of call on one kind of name. */
const SAME_CALLS = 2;

type Files = Readonly<Record<string, string>>;

async function outcomesOf(writing: Promise<WriteOutcome[]>): Promise<WriteOutcome[]> {
  try {
    return await writing;
  } catch (reason) {
    assert.ok(reason instanceof TransferError, String(reason));
    return [];
  }
}

/** The calls of opening the store and of one pack, when nothing happens. */
async function callsOf(t: TestContext, files: Files): Promise<readonly CallRecord[]> {
  const root = scratchRoot(t);
  const disk = new PowerCutDisk(root);
  const faulty = new FaultyFileSystem(() => undefined, disk.fileSystem, disk.systemCalls);
  const uploads = await openUploads(t, root, { fileSystem: faulty.fileSystem });
  await writePack(uploads, files, { calls: faulty.systemCalls });
  const later = scratchRoot(t);
  disk.restore(later, () => false);
  assert.deepEqual(visibleFiles(later), files, 'the disk forgets nothing that was synced');
  return [...faulty.calls];
}

/** What is wrong after the power was cut at call `at`. */
async function faultAfterCut(
  t: TestContext,
  at: number,
  keeps: () => boolean,
  files: Files,
  negligence: Negligence,
): Promise<string | undefined> {
  const root = scratchRoot(t);
  const disk = new PowerCutDisk(root, negligence);
  const faulty = new FaultyFileSystem(
    (index) => (index === at ? { kind: 'crash', when: 'after' } : undefined),
    disk.fileSystem,
    disk.systemCalls,
  );
  const uploads = await openUploads(t, root, { fileSystem: faulty.fileSystem });
  const outcomes = await outcomesOf(writePack(uploads, files, { calls: faulty.systemCalls }));
  faulty.crash();
  const later = scratchRoot(t);
  const fileSystem = disk.restore(later, keeps);
  const visible = visibleFiles(later);
  for (const [index, [name, content]] of Object.entries(files).entries()) {
    if (name in visible && visible[name] !== content) return `${name} is torn`;
    const outcome = outcomes[index];
    const isAcknowledged = outcome !== undefined && !(outcome instanceof TransferError);
    if (isAcknowledged && !(name in visible)) return `${name} is lost`;
  }
  const anew = await openUploads(t, later, { fileSystem });
  const again = await writePack(anew, files, { condition: { kind: 'any' } });
  assert.deepEqual(
    codesOf(again),
    Object.keys(files).map(() => 'ok'),
  );
  const left = uploadEntries(later);
  return left.length === 0 ? undefined : `${left.join()} is left`;
}

/** The faults after cuts at each kind of call, and behind the last; up to one that is `enough`. */
async function faultsOf(
  t: TestContext,
  files: Files,
  negligence: Negligence = {},
  enough?: RegExp,
): Promise<string> {
  const seed = seedOf(t);
  const faults: string[] = [];
  const semaphore = new Semaphore(SCENES_AT_ONCE);
  const calls = await callsOf(t, files);
  const cutAt = async (at: number) => {
    for (let trial = 0; trial <= TRIALS; trial += 1) {
      if (enough !== undefined && faults.some((fault) => enough.test(fault))) return;
      const random = new Random(seed + at * (TRIALS + 1) + trial);
      const keeps = trial === 0 ? () => false : () => random.next() < 0.5;
      const fault = await faultAfterCut(t, at, keeps, files, negligence);
      if (fault !== undefined) faults.push(`cut at call ${at}: ${fault}`);
    }
  };
  const cuts = [...kindsOf(calls, SAME_CALLS), calls.length];
  await Promise.all(cuts.map((at) => semaphore.run(() => cutAt(at))));
  return faults.join('\n');
}

for (const [title, files] of [
  ['of a few files, synced one by one', FEW],
  ['of many files, synced together', MANY],
] as const) {
  describe(`a power cut at any moment of a pack ${title}`, () => {
    it('loses nothing that was acknowledged', async (t) => {
      assert.equal(await faultsOf(t, files), '');
    });

    it('is seen to lose names when directories are not synced', async (t) => {
      assert.match(await faultsOf(t, files, { skipsDirectories: true }, /is lost/), /is lost/);
    });

    it('is seen to tear files when their data is not synced', async (t) => {
      assert.match(await faultsOf(t, files, { skipsParts: true }, /is torn/), /is torn/);
    });
  });
}
