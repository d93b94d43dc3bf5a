/** An upload of a `MemoryStore`: what is written is remembered, what is synced is committed, a finished file is checked as a whole. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { KeyedMutex } from '../../../src/base/async/keyed-mutex.ts';
import { Mutex } from '../../../src/base/async/mutex.ts';
import { TransferError } from '../../../src/base/errors.ts';
import { type ByteRange, missingRanges } from '../../../src/base/ranges.ts';
import type { ByteSink, Writer } from '../../../src/storage/byte-source.ts';
import type { FileIdentity } from '../../../src/storage/store.ts';
import type {
  ExpectedContent,
  Upload,
  UploadSpec,
  UploadState,
  UploadWriter,
  WriteCondition,
} from '../../../src/storage/upload-store.ts';
import type { CheckedRange } from '../../../src/wire/checked-ranges.ts';

/** What an upload needs of its store. */
export interface UploadHost {
  /** Where the bytes are files to which workers write by descriptors; undefined: in memory. */
  readonly partsDirectory: string | undefined;
  readonly maxBytes: number;
  /** Held while what a name stands for is changed. */
  readonly names: KeyedMutex;
  /** Takes the time of a call, and what a test holds it up for. */
  passed(step: 'openWriter' | 'sync' | 'finish'): Promise<void>;
  /** Takes the time of a transfer of bytes; rejects when the signal aborts. */
  moved(signal: AbortSignal): Promise<void>;
  /** Throws where the name does not meet the condition. */
  check(name: string, condition: WriteCondition): void;
  put(
    name: string,
    bytes: Buffer,
    version: string,
    attributes: Pick<UploadSpec, 'mode' | 'modifiedMs'>,
  ): FileIdentity;
  forget(id: string): void;
}

interface OpenWriter {
  readonly onFailed: (error: Error) => void;
  readonly closed: Promise<void>;
}

export class MemoryUpload implements Upload {
  readonly id: string;
  readonly name: string;
  readonly owner: string | undefined;
  readonly expectedSize: number | undefined;
  readonly spec: UploadSpec;
  /** Writers that were ever opened. */
  openings = 0;
  syncs = 0;
  /** Every range that was reported, as it was. */
  readonly reported: CheckedRange[] = [];
  readonly #store: UploadHost;
  readonly #part: Part;
  readonly #open = new Set<OpenWriter>();
  /** Finish, end and new writers take turns. */
  readonly #mutex = new Mutex();
  /** Writers that were told to stop have not all closed. */
  #isFailing = false;
  #written: ByteRange[] = [];
  #durable: ByteRange[] = [];
  #file: FileIdentity | undefined;
  #isGone = false;

  constructor(store: UploadHost, id: string, spec: UploadSpec) {
    this.#store = store;
    this.id = id;
    this.spec = spec;
    this.name = spec.name;
    this.owner = spec.owner;
    this.expectedSize = spec.expected.size;
    const { partsDirectory } = store;
    this.#part =
      partsDirectory === undefined ? new MemoryPart(store) : new FilePart(join(partsDirectory, id));
  }

  /** What was written, and is not finished yet or was. */
  get bytes(): Buffer {
    return this.#part.bytes();
  }

  /** Open ones. */
  get writers(): number {
    return this.#open.size;
  }

  /** As when the disk fails. */
  fail(error: TransferError): void {
    this.#isFailing = this.#open.size > 0;
    for (const { onFailed } of this.#open) onFailed(error);
  }

  state(): UploadState {
    const [first] = this.#durable;
    return {
      committedSize: first?.start === 0 ? first.end : 0,
      parts: this.#durable,
      expectedSize: this.expectedSize,
      file: this.#file,
      expiresMs: 1e12,
    };
  }

  async openWriter(onFailed: (error: Error) => void): Promise<UploadWriter> {
    await this.#store.passed('openWriter');
    return await this.#mutex.run(async () => {
      await this.#failedClosed();
      this.#requireOpen();
      this.openings += 1;
      const { sink, close } = this.#part.open();
      let resolve = () => {};
      const writer: OpenWriter = { onFailed, closed: new Promise((closed) => (resolve = closed)) };
      this.#open.add(writer);
      return {
        sink,
        close: async () => {
          if (!this.#open.delete(writer)) return;
          close();
          resolve();
        },
      };
    });
  }

  missing(start: number, end: number): ByteRange[] {
    return missingRanges(this.#written, start, end);
  }

  checkQuota(offset: number, bytes: number): void {
    this.#requireOpen();
    if (offset + bytes > this.#store.maxBytes) throw new TransferError('TOO_LARGE', 'too large');
    if (this.expectedSize !== undefined && offset + bytes > this.expectedSize) {
      throw new TransferError('CONTENT_MISMATCH', 'beyond the declared size');
    }
  }

  written({ start, end, crc32: crc }: CheckedRange): void {
    const bytes = this.bytes.subarray(start, end);
    assert.equal(bytes.length, end - start, 'it is in the file when it is reported');
    assert.equal(crc32(bytes), crc, 'with the right checksum');
    this.reported.push({ start, end, crc32: crc });
    if (!this.#isFailing && this.#file === undefined)
      this.#written = merged([...this.#written, { start, end }]);
  }

  async sync(): Promise<void> {
    const written = this.#written;
    await this.#store.passed('sync');
    this.syncs += 1;
    if (this.#file === undefined) this.#durable = merged([...this.#durable, ...written]);
  }

  async finish(expected: ExpectedContent): Promise<FileIdentity> {
    await this.#store.passed('finish');
    return await this.#mutex.run(async () => {
      if (this.#isGone) throw gone();
      if (this.#file === undefined) {
        this.fail(new TransferError('TAKEN_OVER', 'it is being finished by another call'));
        await this.#failedClosed();
        await this.sync();
      }
      this.#checkContent(expected);
      this.#file ??= await this.#publish();
      return this.#file;
    });
  }

  async abort(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#file !== undefined) throw new TransferError('INVALID_ARGUMENT', 'it is finished');
      this.#isGone = true;
      this.fail(gone());
      this.#store.forget(this.id);
    });
  }

  #publish(): Promise<FileIdentity> {
    return this.#store.names.run(this.name, async () => {
      this.#store.check(this.name, this.spec.condition);
      return this.#store.put(this.name, Buffer.from(this.bytes), `v-${this.id}`, this.spec);
    });
  }

  #checkContent(expected: ExpectedContent): void {
    const { bytes } = this;
    for (const { size, crc32: crc, sha256 } of [this.spec.expected, expected]) {
      const isRight =
        (size === undefined || size === bytes.length) &&
        (crc === undefined || crc === crc32(bytes)) &&
        (sha256 === undefined || createHash('sha256').update(bytes).digest().equals(sha256));
      if (!isRight) throw new TransferError('CONTENT_MISMATCH', 'the content is another');
    }
    if (this.missing(0, bytes.length).length > 0) throw new TransferError('CONTENT_MISMATCH', 'it has gaps');
  }

  async #failedClosed(): Promise<void> {
    if (!this.#isFailing) return;
    await Promise.all(Array.from(this.#open, ({ closed }) => closed));
    this.#isFailing = false;
  }

  #requireOpen(): void {
    if (this.#isGone || this.#file !== undefined) throw gone();
  }
}

function gone(): TransferError {
  return new TransferError('UPLOAD_NOT_FOUND', 'it is finished or was aborted');
}

/** The bytes of an upload. */
interface Part {
  bytes(): Buffer;
  open(): { sink: ByteSink; close: () => void };
}

class MemoryPart implements Part {
  readonly #store: UploadHost;
  #bytes = Buffer.alloc(0);
  #size = 0;

  constructor(store: UploadHost) {
    this.#store = store;
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  open(): { sink: Writer; close: () => void } {
    let isOpen = true;
    const write: Writer['write'] = async (bytes, offset, signal) => {
      await this.#store.moved(signal);
      assert.ok(isOpen, 'a writer is closed behind its last write');
      this.#grow(offset + bytes.length);
      this.#bytes.set(bytes, offset);
    };
    return { sink: { kind: 'writer', write }, close: () => (isOpen = false) };
  }

  #grow(size: number): void {
    this.#size = Math.max(this.#size, size);
    if (size <= this.#bytes.length) return;
    const grown = Buffer.alloc(2 * size);
    this.#bytes.copy(grown);
    this.#bytes = grown;
  }
}

class FilePart implements Part {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    writeFileSync(path, '');
  }

  bytes(): Buffer {
    return readFileSync(this.#path);
  }

  open(): { sink: ByteSink; close: () => void } {
    const fd = openSync(this.#path, 'r+');
    const errorOf = (errno: string) => new TransferError('WRITE_FAILED', errno);
    return { sink: { kind: 'descriptor', fd, errorOf }, close: () => closeSync(fd) };
  }
}

function merged(ranges: readonly ByteRange[]): ByteRange[] {
  const all: { start: number; end: number }[] = [];
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = all.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else all.push({ start, end });
  }
  return all;
}
