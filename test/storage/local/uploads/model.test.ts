/**
 * Random histories of uploads to a few names, against a model of what a client may
 * rely on: start, chunks in any order and twice, syncs, crashes, finish, abort and
 * delete. After each step the files that peers see are those of the model.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { TransferError } from '../../../../src/base/errors.ts';
import type { SyncPolicy } from '../../../../src/storage/local/uploads/options.ts';
import type { FileIdentity } from '../../../../src/storage/store.ts';
import type { Upload, UploadStore, WriteCondition } from '../../../../src/storage/upload-store.ts';
import { crc32 } from '../../../../src/wire/crc32.ts';
import { scratchRoot } from '../../../support/scratch.ts';
import { FaultyFileSystem, SYNCLESS_FILE_SYSTEM } from './faulty-file-system.ts';
import { openUploads, specOf, visibleFiles, writeChunk } from './scratch-uploads.ts';
import { writtenEnd } from './written-end.ts';

const NAMES = ['one', 'two/three', 'two/four'] as const;
const SIZE = 48;
const CHUNK = 8;

type Step =
  | { kind: 'start'; name: string; condition: 'absent' | 'any' | 'version'; fill: string }
  | { kind: 'chunk'; upload: number; chunk: number }
  | { kind: 'sync'; upload: number }
  | { kind: 'finish'; upload: number }
  | { kind: 'abort'; upload: number }
  | { kind: 'delete'; name: string }
  | { kind: 'crash' }
  | { kind: 'restart' };

const NAME = fc.constantFrom(...NAMES);
const UPLOAD = fc.nat(3);

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('start' as const),
      name: NAME,
      condition: fc.constantFrom('absent' as const, 'any' as const, 'version' as const),
      fill: fc.constantFrom('a', 'b', 'c', 'd'),
    }),
  },
  {
    weight: 16,
    arbitrary: fc.record({
      kind: fc.constant('chunk' as const),
      upload: UPLOAD,
      chunk: fc.nat(SIZE / CHUNK - 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sync' as const), upload: UPLOAD }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('finish' as const), upload: UPLOAD }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('abort' as const), upload: UPLOAD }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), name: NAME }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

/** What a client knows of one of its uploads. */
interface ModelUpload {
  readonly id: string;
  readonly name: string;
  readonly condition: WriteCondition;
  readonly content: string;
  readonly sent: Set<number>;
  /** Chunks that were there after a sync. */
  readonly committed: Set<number>;
  file: FileIdentity | undefined;
  isGone: boolean;
}

class World {
  readonly #t: TestContext;
  readonly #root: string;
  readonly #sync: SyncPolicy;
  readonly #uploads: ModelUpload[] = [];
  /** The files that peers see, and their versions. */
  readonly #files = new Map<string, { content: string; version: string }>();
  #process: { faulty: FaultyFileSystem; store: UploadStore } | undefined;

  constructor(t: TestContext, sync: SyncPolicy) {
    this.#t = t;
    this.#root = scratchRoot(t);
    this.#sync = sync;
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'start':
        await this.#start(step.name, step.condition, step.fill);
        break;
      case 'delete':
        await this.#delete(step.name);
        break;
      case 'crash':
        this.#process?.faulty.crash();
        this.#process = undefined;
        break;
      case 'restart':
        await this.#process?.store.close();
        this.#process = undefined;
        break;
      default: {
        const upload = this.#uploads.at(-1 - step.upload);
        if (upload !== undefined) await this.#use(upload, step);
      }
    }
    const expected = Object.fromEntries([...this.#files].map(([name, { content }]) => [name, content]));
    assert.deepEqual(visibleFiles(this.#root), expected);
  }

  /** Each upload that is not gone can be brought to its end. */
  async end(): Promise<void> {
    for (const upload of this.#uploads.filter(({ isGone }) => !isGone)) {
      for (let chunk = 0; chunk < SIZE / CHUNK; chunk += 1)
        await this.#use(upload, { kind: 'chunk', upload: 0, chunk });
      await this.#use(upload, { kind: 'finish', upload: 0 });
    }
    await this.#process?.store.close();
  }

  async #store(): Promise<UploadStore> {
    if (this.#process === undefined) {
      const faulty = new FaultyFileSystem(() => undefined, SYNCLESS_FILE_SYSTEM);
      const options = { fileSystem: faulty.fileSystem, sync: this.#sync, syncBytes: 2 * CHUNK };
      this.#process = { faulty, store: await openUploads(this.#t, this.#root, options) };
    }
    return this.#process.store;
  }

  async #start(name: string, kind: WriteCondition['kind'], fill: string): Promise<void> {
    const version = this.#files.get(name)?.version ?? 'none';
    const condition: WriteCondition = kind === 'version' ? { kind, version } : { kind };
    const content = Array.from({ length: SIZE }, (_, index) => `${fill}${index}`.at(index % 2))
      .join('')
      .padEnd(SIZE, fill);
    const expected = { size: SIZE, crc32: crc32(Buffer.from(content)) };
    const store = await this.#store();
    const outcome = await codeOf(store.start(specOf(name, { condition, expected })));
    assert.equal(outcome.code, this.#conditionCode(name, condition));
    if (outcome.value === undefined) return;
    const { id } = outcome.value;
    const isGone = false;
    this.#uploads.push({
      id,
      name,
      condition,
      content,
      sent: new Set(),
      committed: new Set(),
      file: undefined,
      isGone,
    });
  }

  #conditionCode(name: string, condition: WriteCondition): string | undefined {
    const version = this.#files.get(name)?.version;
    if (condition.kind === 'absent' && version !== undefined) return 'ALREADY_EXISTS';
    if (condition.kind === 'version' && version !== condition.version) return 'VERSION_MISMATCH';
    return undefined;
  }

  async #delete(name: string): Promise<void> {
    const { code } = await codeOf((await this.#store()).delete(name, { kind: 'any' }));
    assert.equal(code, this.#files.has(name) ? undefined : 'NOT_FOUND');
    this.#files.delete(name);
  }

  async #use(model: ModelUpload, step: Extract<Step, { upload: number }>): Promise<void> {
    const { value: upload, code } = await codeOf((await this.#store()).find(model.id));
    assert.equal(code, model.isGone ? 'UPLOAD_NOT_FOUND' : undefined);
    if (upload === undefined) return;
    this.#check(model, upload);
    if (step.kind === 'chunk') await this.#send(model, upload, step.chunk);
    if (step.kind === 'sync') await upload.sync();
    if (step.kind === 'finish') await this.#finish(model, upload);
    if (step.kind === 'abort') await this.#abort(model, upload);
    this.#check(model, upload);
  }

  /** What was committed stays; what is committed was sent. */
  #check(model: ModelUpload, upload: Upload): void {
    const { parts, committedSize, file } = upload.state();
    assert.deepEqual(file, model.file);
    const has = (chunk: number) =>
      parts.some(({ start, end }) => start <= chunk * CHUNK && (chunk + 1) * CHUNK <= end);
    for (let chunk = 0; chunk < SIZE / CHUNK; chunk += 1) {
      if (model.committed.has(chunk)) assert.ok(has(chunk), `chunk ${chunk} stays committed`);
      if (!has(chunk)) continue;
      assert.ok(model.sent.has(chunk), `chunk ${chunk} was sent`);
      model.committed.add(chunk);
    }
    assert.equal(committedSize, parts[0]?.start === 0 ? parts[0].end : 0);
  }

  async #send(model: ModelUpload, upload: Upload, chunk: number): Promise<void> {
    const offset = chunk * CHUNK;
    const isThere = writtenEnd(upload, offset) > offset;
    if (isThere) assert.ok(model.sent.has(chunk));
    if (isThere || model.file !== undefined) return;
    const writer = await upload.openWriter(assert.fail);
    await writeChunk(
      upload,
      writer,
      offset,
      model.content.slice(offset, offset + CHUNK),
      this.#process?.faulty.fileSystem,
    );
    await writer.close();
    model.sent.add(chunk);
  }

  async #finish(model: ModelUpload, upload: Upload): Promise<void> {
    const isWhole = writtenEnd(upload, 0) === SIZE;
    const expected = isWhole ? this.#conditionCode(model.name, model.condition) : 'CONTENT_MISMATCH';
    const { value: file, code } = await codeOf(upload.finish({}));
    if (model.file !== undefined) {
      assert.deepEqual(file, model.file);
      return;
    }
    assert.equal(code, expected);
    if (file === undefined) return;
    model.file = file;
    this.#files.set(model.name, { content: model.content, version: file.version });
  }

  async #abort(model: ModelUpload, upload: Upload): Promise<void> {
    const { code } = await codeOf(upload.abort());
    assert.equal(code, model.file === undefined ? undefined : 'INVALID_ARGUMENT');
    model.isGone = model.file === undefined;
  }
}

async function codeOf<T>(work: Promise<T>): Promise<{ value?: T; code?: string }> {
  try {
    return { value: await work };
  } catch (reason) {
    if (reason instanceof TransferError) return { code: reason.code };
    throw reason;
  }
}

for (const sync of ['always', 'batched', 'none'] as const) {
  test(`uploads behave as the model says, with the policy ${sync}`, async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { minLength: 1, maxLength: 60 }), async (steps) => {
        const world = new World(t, sync);
        for (const step of steps) await world.run(step);
        await world.end();
      }),
      { numRuns: 60 },
    );
  });
}
