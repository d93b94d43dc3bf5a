/** The time of change and the permission bits that an upload was started with. */
import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openLocalStore } from '../../../../src/storage/local/local-store.ts';
import type { UploadStore } from '../../../../src/storage/upload-store.ts';
import { scratchRoot } from '../../../support/scratch.ts';
import { asOrdinaryUser, failureOf } from '../../../support/stores/scratch-store.ts';
import { FaultyFileSystem, SYNCLESS_FILE_SYSTEM } from './faulty-file-system.ts';
import { openUploads, scratchUploads, specOf, uploadOf, visibleFiles } from './scratch-uploads.ts';

const ANY = { kind: 'any' } as const;

function rightsOf(path: string): number {
  return statSync(path).mode & 0o7777;
}

function withUmask(t: TestContext, mask: number): void {
  const umask = process.umask(mask);
  t.after(() => process.umask(umask));
}

describe('an upload', () => {
  it('gives its file the time it was started with, to the millisecond', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    for (const modifiedMs of [
      0,
      1,
      999,
      1_234_567_890_123,
      1_700_000_000_000,
      1_700_000_000_001,
      4e12 + 7,
      -1500,
    ]) {
      const upload = await uploadOf(uploads, 'file', 'content', { condition: ANY, modifiedMs });
      assert.equal((await upload.finish({})).modifiedMs, modifiedMs);
      assert.equal(Math.trunc(statSync(at('file')).mtimeMs), modifiedMs);
    }
  });

  it('gives its file the bits it was started with, whatever the umask, and never those of another user', async (t) => {
    withUmask(t, 0o077);
    const { at, uploads } = await scratchUploads(t);
    for (const [asked, given] of [
      [0o755, 0o755],
      [0o666, 0o666],
      [0o4711, 0o711],
      [0, 0],
      [undefined, 0o600],
    ] as const) {
      const name = `file ${asked}`;
      const upload = await uploadOf(uploads, name, 'content', asked === undefined ? {} : { mode: asked });
      assert.equal((await upload.finish({})).mode, given);
      assert.equal(rightsOf(at(name)), given);
    }
  });

  it('that says its bits does not take those of the file that it replaces', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    writeFileSync(at('file'), 'before');
    chmodSync(at('file'), 0o600);
    await (await uploadOf(uploads, 'file', 'content', { condition: ANY, mode: 0o755 })).finish({});
    assert.equal(rightsOf(at('file')), 0o755);
    await (await uploadOf(uploads, 'file', 'content', { condition: ANY })).finish({});
    assert.equal(rightsOf(at('file')), 0o755);
  });

  it('has the version that a look at its file tells', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'content', { modifiedMs: 1_000_000_000_001, mode: 0o400 });
    const file = await upload.finish({});
    const store = await openLocalStore(root);
    t.after(() => store.close());
    assert.deepEqual(await store.stat('file'), file);
  });

  it('is another one with another time or other bits, when it is started again', async (t) => {
    const { reopen, uploads } = await scratchUploads(t);
    const spec = specOf('file', { id: '0123456789abcdef0123456789abcdef', modifiedMs: 5, mode: 0o700 });
    await uploads.start(spec);
    for (const again of [uploads, await reopen()]) {
      assert.equal((await again.start(spec)).id, spec.id);
      for (const other of [{ modifiedMs: 6 }, { mode: 0o600 }]) {
        const error = await failureOf(again.start({ ...spec, ...other }));
        assert.equal(error.code, 'INVALID_ARGUMENT');
      }
    }
  });
});

/** As of a server that is not root: it has only the rights that the bits give it. */
describe('a server that dies at any call of a finish', () => {
  for (const mode of [0o400, 0o200, 0]) {
    it(`leaves an upload of mode ${mode.toString(8)} that the next one finishes, with all that was promised`, async (t) => {
      for (let dying = 0; ; dying += 1) {
        const root = scratchRoot(t);
        for (const path of [root, dirname(root)]) chmodSync(path, 0o777);
        const isOver = await asOrdinaryUser(() => dieAndFinish(t, root, dying, mode));
        const { mtimeMs } = statSync(`${root}/file`);
        assert.deepEqual(
          [rightsOf(`${root}/file`), Math.floor(mtimeMs)],
          [mode, 1_234_567_890_123],
          `call ${dying}`,
        );
        assert.deepEqual(visibleFiles(root), { file: 'content' });
        if (isOver) break;
        assert.ok(dying < 100);
      }
    });
  }
});

/** Finishes an upload in two processes, the first of which dies at its call `dying` of the finish. True when it has fewer. */
async function dieAndFinish(t: TestContext, root: string, dying: number, mode: number): Promise<boolean> {
  let left = Number.POSITIVE_INFINITY;
  const faulty = new FaultyFileSystem(() => {
    left -= 1;
    return left < 0 ? { kind: 'crash', when: 'before' } : undefined;
  }, SYNCLESS_FILE_SYSTEM);
  const first = await openUploads(t, root, { fileSystem: faulty.fileSystem });
  const spec = { modifiedMs: 1_234_567_890_123, mode, condition: ANY };
  const upload = await uploadOf(first, 'file', 'content', spec);
  await upload.sync();
  left = dying;
  const finished = await upload.finish({ size: 7 }).catch(() => undefined);
  left = Number.POSITIVE_INFINITY;
  faulty.crash();
  const next: UploadStore = await openUploads(t, root, { fileSystem: SYNCLESS_FILE_SYSTEM });
  const found = await next.find(upload.id);
  const file = await found.finish({ size: 7 });
  assert.deepEqual(await found.finish({ size: 7 }), file);
  if (finished !== undefined) assert.deepEqual(file, finished);
  await next.close();
  return finished !== undefined;
}
