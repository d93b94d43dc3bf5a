/** Packs beside other changes of the same names: by this server, which take turns, and by others, which are seen. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { TransferError } from '../../../../../src/base/errors.ts';
import { nodeFileSystem } from '../../../../../src/storage/local/uploads/disk/file-system.ts';
import type { FileToName } from '../../../../../src/storage/pack-jobs.ts';
import type { WriteCondition } from '../../../../../src/storage/upload-store.ts';
import { nodeSystemCalls, type SystemCalls } from '../../../../../workers/pack-files.ts';
import { Random, seedOf } from '../../../../support/seed.ts';
import { until } from '../../../../support/until.ts';
import { SYNCLESS_FILE_SYSTEM } from '../faulty-file-system.ts';
import { scratchUploads, uploadEntries, uploadOf, visibleFiles } from '../scratch-uploads.ts';
import { codesOf, JobsHere, writePack } from './pack-of.ts';

const ANY = { kind: 'any' } as const;
const NAMES = ['a', 'b/c', 'b/d', 'e/f/g'];

describe('changes of one name', () => {
  it('take turns: packs, uploads and deletes at once leave whole files and no deadlock', async (t) => {
    const random = new Random(seedOf(t));
    const { root, uploads } = await scratchUploads(t, { fileSystem: SYNCLESS_FILE_SYSTEM });
    const written = new Map(NAMES.map((name) => [name, new Set<string | undefined>([undefined])]));
    const writePackOf = async (names: readonly string[], content: string) => {
      const files = Object.fromEntries(names.map((name) => [name, content]));
      const codes = codesOf(await writePack(uploads, files, { condition: ANY }));
      assert.ok(codes.every((code) => code === 'ok'));
    };
    const uploadEach = async (names: readonly string[], content: string) => {
      for (const name of names) await (await uploadOf(uploads, name, content, { condition: ANY })).finish({});
    };
    const deleteEach = async (names: readonly string[]) => {
      for (const name of names) await uploads.delete(name, ANY).catch(requireNotFound);
    };
    const change = async (at: number): Promise<void> => {
      const names = NAMES.filter(() => random.next() < 0.6).sort(() => random.next() - 0.5);
      const content = `change ${at}`;
      for (const name of names) written.get(name)?.add(content);
      const kind = random.next();
      if (kind < 0.6) await writePackOf(names, content);
      else if (kind < 0.8) await uploadEach(names, content);
      else await deleteEach(names);
    };
    await Promise.all(Array.from({ length: 60 }, (_, at) => change(at)));
    const visible = visibleFiles(root);
    for (const name of NAMES) assert.ok(written.get(name)?.has(visible[name]), `${name}: ${visible[name]}`);
    assert.deepEqual(
      uploadEntries(root).filter((entry) => entry.endsWith('.pack')),
      [],
    );
  });

  it('has one winner among packs that replace the same version', async (t) => {
    const { root, uploads } = await scratchUploads(t, { fileSystem: SYNCLESS_FILE_SYSTEM });
    const [old] = await writePack(uploads, { a: 'old' });
    assert.ok(old !== undefined && !(old instanceof TransferError));
    const condition = { kind: 'version', version: old.version } as const;
    const packs = Array.from({ length: 10 }, (_, at) =>
      writePack(uploads, { [`own/${at}`]: '', a: `${at}` }, { wishes: { a: { condition } } }),
    );
    const codes = (await Promise.all(packs)).map((outcomes) => codesOf(outcomes));
    const winner = codes.findIndex(([, code]) => code === 'ok');
    assert.deepEqual(
      codes,
      Array.from({ length: 10 }, (_, at) => ['ok', at === winner ? 'ok' : 'VERSION_MISMATCH']),
    );
    assert.equal(visibleFiles(root).a, `${winner}`);
  });
});

function requireNotFound(reason: unknown): void {
  assert.ok(reason instanceof TransferError && reason.code === 'NOT_FOUND', String(reason));
}

/** Does `work` once, right before `directory/file` gets its name: behind the look that the pack takes, before that of a rename. */
function before(work: () => void): SystemCalls {
  let looks = 0;
  let isDone = false;
  const once = () => {
    if (!isDone) work();
    isDone = true;
  };
  return {
    ...nodeSystemCalls,
    link: (from, to) => {
      once();
      nodeSystemCalls.link(from, to);
    },
    lstat: (path) => {
      looks += Number(path.endsWith('/file'));
      if (looks === 2) once();
      return nodeSystemCalls.lstat(path);
    },
  };
}

/** Writes `directory/file` while another process does `work` between the look at it and its naming. */
async function meeting(
  t: TestContext,
  condition: WriteCondition,
  old: string | undefined,
  work: (at: (name: string) => string) => void,
) {
  const scratch = await scratchUploads(t);
  const { at, root, uploads } = scratch;
  mkdirSync(at('directory'));
  if (old !== undefined) writeFileSync(at('directory/file'), old);
  const calls = before(() => work(at));
  const codes = codesOf(await writePack(uploads, { 'directory/file': 'new' }, { calls, condition }));
  assert.deepEqual(uploadEntries(root), []);
  return { codes, visible: visibleFiles(root), at };
}

describe('what another process does between look and name', () => {
  it('is never replaced by a file that may replace nothing', async (t) => {
    const met = await meeting(t, { kind: 'absent' }, undefined, (at) =>
      writeFileSync(at('directory/file'), 'theirs'),
    );
    assert.deepEqual(met.codes, ['ALREADY_EXISTS']);
    assert.deepEqual(met.visible, { 'directory/file': 'theirs' });
  });

  it('is replaced by a file that may replace anything', async (t) => {
    for (const old of ['old', undefined]) {
      const met = await meeting(t, ANY, old, (at) => writeFileSync(at('directory/file'), 'theirs'));
      assert.deepEqual(met.codes, ['ok']);
      assert.deepEqual(met.visible, { 'directory/file': 'new' });
    }
  });

  it('is not replaced where it is no file', async (t) => {
    const made = await meeting(t, ANY, undefined, (at) => mkdirSync(at('directory/file')));
    assert.deepEqual(made.codes, ['NOT_A_FILE']);
    const linked = await meeting(t, ANY, 'old', (at) => {
      renameSync(at('directory/file'), at('other'));
      symlinkSync('../other', at('directory/file'));
    });
    assert.deepEqual(linked.codes, ['NOT_A_FILE']);
    assert.equal(readFileSync(linked.at('other'), 'utf8'), 'old');
  });

  it('is another version than the one to be replaced', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    const [old] = await writePack(uploads, { 'directory/file': 'old' });
    assert.ok(old !== undefined && !(old instanceof TransferError));
    const calls = before(() => writeFileSync(at('directory/file'), 'theirs'));
    const condition = { kind: 'version', version: old.version } as const;
    const outcomes = await writePack(uploads, { 'directory/file': 'new' }, { calls, condition });
    assert.deepEqual(codesOf(outcomes), ['VERSION_MISMATCH']);
    assert.equal(readFileSync(at('directory/file'), 'utf8'), 'theirs');
  });

  it('may be the end of the directory, which is made again', async (t) => {
    const met = await meeting(t, { kind: 'absent' }, undefined, (at) =>
      rmSync(at('directory'), { recursive: true }),
    );
    assert.deepEqual(met.codes, ['ok']);
    assert.deepEqual(met.visible, { 'directory/file': 'new' });
  });

  it('may be a directory that was moved: nothing is written outside of the root', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    mkdirSync(at('directory'));
    const calls = before(() => {
      renameSync(at('directory'), at('moved'));
      symlinkSync('/tmp', at('directory'));
    });
    const outcomes = await writePack(uploads, { 'directory/file': 'new' }, { calls });
    assert.deepEqual(codesOf(outcomes), ['ok']);
    assert.equal(readFileSync(at('moved/file'), 'utf8'), 'new');
    unlinkSync(at('directory'));
  });
});

describe('the sweep', () => {
  it('removes what a process that is gone left of a pack, and nothing that looks different', async (t) => {
    const { root, at, reopen, uploads } = await scratchUploads(t);
    await writePack(uploads, { a: '' });
    await uploads.close();
    const id = '0123456789abcdef0123456789abcdef';
    for (const entry of [`${id}.0.pack`, `${id}.255.pack`, 'note.pack', `${id}.x.pack`, `${id}.1.pack.old`])
      writeFileSync(at(`.sluice-uploads/${entry}`), 'left');
    await writePack(await reopen(), { b: '' });
    assert.deepEqual(uploadEntries(root), [`${id}.1.pack.old`, `${id}.x.pack`, 'note.pack']);
  });

  it('leaves alone what this process is writing', async (t) => {
    let looks = 0;
    const readdir = (path: string) => {
      looks += Number(path.endsWith('/.'));
      return nodeFileSystem.readdir(path);
    };
    const fileSystem = { ...nodeFileSystem, readdir };
    // With the shortest expiry, the next look comes in a second.
    const { root, uploads } = await scratchUploads(t, { expiryMs: 4, fileSystem });
    class SlowJobs extends JobsHere {
      override async name(files: readonly FileToName[]) {
        const before = looks;
        await until('the sweep has looked again', () => looks > before);
        return await super.name(files);
      }
    }
    const jobs = new SlowJobs(Buffer.from('content'));
    assert.deepEqual(codesOf(await writePack(uploads, { file: 'content' }, { jobs })), ['ok']);
    assert.deepEqual(visibleFiles(root), { file: 'content' });
  });
});
