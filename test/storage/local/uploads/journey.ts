/**
 * What a client does with one upload, and what it may rely on whatever happens in
 * between: a journey can be broken off anywhere, and gone on with in the same
 * process or a later one.
 */
import assert from 'node:assert/strict';
import { TransferError } from '../../../../src/base/errors.ts';
import { type FileSystem, nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import type { FileIdentity } from '../../../../src/storage/store.ts';
import type { Upload, UploadStore, WriteCondition } from '../../../../src/storage/upload-store.ts';
import { crc32 } from '../../../../src/wire/crc32.ts';
import { specOf, writeChunk } from './scratch-uploads.ts';
import { writtenEnd } from './written-end.ts';

export interface JourneyOptions {
  readonly name?: string;
  readonly content?: string;
  readonly condition?: WriteCondition;
  /** Writes the bytes, as a worker does. */
  readonly fileSystem?: FileSystem;
}

export class Journey {
  readonly name: string;
  readonly content: string;
  readonly #condition: WriteCondition;
  readonly #fs: FileSystem;
  /** What the client was told. */
  id: string | undefined;
  acknowledged = 0;
  file: FileIdentity | undefined;

  constructor(options: JourneyOptions = {}) {
    this.name = options.name ?? 'directory/file';
    this.content = options.content ?? 'first half, other half';
    this.#condition = options.condition ?? { kind: 'absent' };
    this.#fs = options.fileSystem ?? nodeFileSystem;
  }

  /** From wherever it is to the finished file. */
  async run(uploads: UploadStore): Promise<void> {
    const upload = await this.begin(uploads);
    await this.sendRest(upload);
    this.file = await upload.finish({});
  }

  async begin(uploads: UploadStore): Promise<Upload> {
    const upload = this.id === undefined ? await this.#start(uploads) : await uploads.find(this.id);
    this.id = upload.id;
    this.#check(upload);
    return upload;
  }

  /** Sends what is not written yet, in two halves, each acknowledged. */
  async sendRest(upload: Upload): Promise<void> {
    if (upload.state().file !== undefined) return;
    const half = Math.floor(this.content.length / 2);
    for (const end of [half, this.content.length]) {
      const offset = writtenEnd(upload, 0);
      if (offset >= end) continue;
      await this.#sendPart(upload, offset, end);
      await upload.sync();
      this.#check(upload);
    }
  }

  async #sendPart(upload: Upload, offset: number, end: number): Promise<void> {
    let failure: Error | undefined;
    const writer = await upload.openWriter((error) => {
      failure = error;
    });
    try {
      await writeChunk(upload, writer, offset, this.content.slice(offset, end), this.#fs);
    } finally {
      await writer.close();
    }
    if (failure !== undefined) throw failure;
  }

  #start(uploads: UploadStore): Promise<Upload> {
    const bytes = Buffer.from(this.content);
    const expected = { size: bytes.length, crc32: crc32(bytes) };
    // Both are given before the name, by calls that may fail as well.
    const attributes = { modifiedMs: 1_234_567_890_123, mode: 0o640 };
    return uploads.start(specOf(this.name, { expected, condition: this.#condition, ...attributes }));
  }

  #check(upload: Upload): void {
    const { committedSize } = upload.state();
    assert.ok(committedSize >= this.acknowledged, 'the committed size never decreases');
    this.acknowledged = committedSize;
  }
}

/** The error that `work` ends with, if it does; anything but a TransferError or a failed system call is a defect. */
export async function outcomeOf(work: Promise<unknown>): Promise<TransferError | undefined> {
  try {
    await work;
    return undefined;
  } catch (reason) {
    if (reason instanceof TransferError && reason.code !== 'INTERNAL') return reason;
    // The chunk's own write, which a worker makes.
    if (reason instanceof Error && 'code' in reason && /injected|crashed/.test(reason.message)) {
      return new TransferError('WRITE_FAILED', reason.message);
    }
    throw reason;
  }
}
