/** The power is cut at each system call of an upload: what was acknowledged is there, and no file is torn. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Semaphore } from '../../../../src/base/async/semaphore.ts';
import type { WriteCondition } from '../../../../src/storage/upload-store.ts';
import { scratchRoot } from '../../../support/scratch.ts';
import { Random, seedOf } from '../../../support/seed.ts';
import { FaultyFileSystem } from './faulty-file-system.ts';
import { Journey, outcomeOf } from './journey.ts';
import { type Negligence, PowerCutDisk } from './power-cut.ts';
import { openUploads, visibleFiles } from './scratch-uploads.ts';

const NAME = 'new/directory/file';

/** Several sectors, the last one not whole. */
const CONTENT = Array.from({ length: 400 }, (_, index) => `line ${index}\n`).join('');

/** Random outcomes for each cut, besides the worst one; power-cut.long.ts cuts off real disks. */
const TRIALS = Number(process.env.SLUICE_TEST_TRIALS ?? 1);

/** Most of a scene is waiting for a clock tick to pass. */
const SCENES_AT_ONCE = 8;

/** More than an upload makes. */
const MAX_CALLS = 200;

/** What is wrong after the power was cut at call `at` of an upload; undefined when nothing is, or the upload ended before. */
async function faultAfterCut(
  t: TestContext,
  at: number,
  keeps: () => boolean,
  condition: WriteCondition,
  negligence: Negligence,
): Promise<{ isOver: boolean; fault: string | undefined }> {
  const root = scratchRoot(t);
  const disk = new PowerCutDisk(root, negligence);
  const faulty = new FaultyFileSystem(
    (index) => (index === at ? { kind: 'crash', when: 'after' } : undefined),
    disk.fileSystem,
  );
  const fileSystem = faulty.fileSystem;
  const journey = new Journey({ name: NAME, content: CONTENT, condition, fileSystem });
  await outcomeOf(journey.run(await openUploads(t, root, { fileSystem })));
  const isOver = !faulty.isCrashed;
  faulty.crash();
  const later = scratchRoot(t);
  const fault = await faultIn(t, later, journey, disk.restore(later, keeps), condition);
  return { isOver, fault };
}

/** What a client finds wrong when it comes back after the cut. */
async function faultIn(
  t: TestContext,
  root: string,
  journey: Journey,
  fileSystem: PowerCutDisk['fileSystem'],
  condition: WriteCondition,
): Promise<string | undefined> {
  const visible = visibleFiles(root)[NAME];
  if (visible !== undefined && visible !== CONTENT) return 'the file is torn';
  if (journey.file !== undefined && visible === undefined) return 'the finished file is lost';
  const anew = new Journey({ name: NAME, content: CONTENT, condition });
  anew.id = journey.id;
  anew.acknowledged = journey.acknowledged;
  try {
    const failure = await outcomeOf(anew.run(await openUploads(t, root, { fileSystem })));
    if (failure !== undefined) return failure.message;
  } catch (reason) {
    if (reason instanceof assert.AssertionError) return reason.message;
    throw reason;
  }
  if (visibleFiles(root)[NAME] !== CONTENT) return 'the file is torn after it was resumed';
  const isSame = journey.file === undefined || journey.file.version === anew.file?.version;
  return isSame ? undefined : 'a second finish has another result';
}

/** The faults after cuts at every call. */
async function faultsOf(
  t: TestContext,
  condition: WriteCondition,
  negligence?: Negligence,
): Promise<string[]> {
  // The worst outcome shows best what is lost by negligence.
  const trials = negligence === undefined ? TRIALS : 0;
  const seed = seedOf(t);
  const faults: string[] = [];
  const semaphore = new Semaphore(SCENES_AT_ONCE);
  let isOver = false;
  const cutAt = async (at: number) => {
    if (isOver) return;
    for (let trial = 0; trial <= trials; trial += 1) {
      const random = new Random(seed + at * (trials + 1) + trial);
      const keeps = trial === 0 ? () => false : () => random.next() < 0.5;
      const result = await faultAfterCut(t, at, keeps, condition, negligence ?? {});
      isOver ||= result.isOver;
      if (result.fault !== undefined) faults.push(`cut at call ${at}: ${result.fault}`);
    }
  };
  await Promise.all(Array.from({ length: MAX_CALLS }, (_, at) => semaphore.run(() => cutAt(at))));
  assert.ok(isOver, 'the power was cut at every call');
  return faults;
}

describe('a power cut at any moment', () => {
  for (const kind of ['absent', 'any'] as const) {
    it(`loses nothing that was acknowledged (a name that may be ${kind})`, async (t) => {
      assert.deepEqual(await faultsOf(t, { kind }), []);
    });
  }
});

describe('the simulated power cut', () => {
  const careless: readonly [string, Negligence, RegExp][] = [
    ['directories', { skipsDirectories: true }, /lost|no such|expired/],
    ['parts', { skipsParts: true }, /torn|decreases/],
    ['journals', { skipsJournals: true }, /decreases|expired/],
  ];
  for (const [what, negligence, message] of careless) {
    it(`shows what is lost when ${what} are not synced`, async (t) => {
      const faults = await faultsOf(t, { kind: 'absent' }, negligence);
      assert.ok(faults.length > 0);
      assert.match(faults.join('\n'), message);
    });
  }
});

it('a disk forgets nothing that was synced', async (t) => {
  const root = scratchRoot(t);
  const disk = new PowerCutDisk(root);
  await new Journey({ fileSystem: disk.fileSystem }).run(
    await openUploads(t, root, { fileSystem: disk.fileSystem }),
  );
  const later = scratchRoot(t);
  disk.restore(later, () => false);
  assert.deepEqual(visibleFiles(later), visibleFiles(root));
});
