/**
 * Uploads in temporary files, plain and honest: what is written is remembered,
 * what is synced is committed, and a finished file is checked as a whole. Tests
 * hold it up, or make it fail, at any of its calls.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { TransferError } from '../../src/base/errors.ts';
import type { ByteRange } from '../../src/base/ranges.ts';
import type { FileIdentity } from '../../src/storage/store.ts';
import type {
  ExpectedContent,
  Upload,
  UploadSpec,
  UploadState,
  UploadStore,
  UploadWriter,
  WriteCondition,
} from '../../src/storage/upload-store.ts';
import type { CheckedRange } from '../../src/wire/checked-ranges.ts';
import type { Scope } from '../engine/test-engine.ts';

export type Step = 'start' | 'find' | 'openWriter' | 'sync' | 'finish';

export class TempUploadStore implements UploadStore {
  readonly directory: string;
  readonly uploads = new Map<string, TempUpload>();
  /** By name. */
  readonly files = new Map<string, Buffer>();
  /** The most bytes of a file. */
  maxBytes = Number.MAX_SAFE_INTEGER;
  /** What a step waits for. */
  readonly #holds = new Map<Step, Promise<void>>();
  /** Those that wait. */
  readonly #held = new Set<Step>();

  constructor(scope: Scope) {
    this.directory = mkdtempSync(join(tmpdir(), 'sluice-uploads-'));
    scope.after(() => rmSync(this.directory, { recursive: true }));
  }

  /** Makes every such step wait until the result is called. */
  hold(step: Step): () => void {
    let release: () => void = () => {};
    this.#holds.set(step, new Promise((resolve) => (release = resolve)));
    return () => {
      this.#holds.delete(step);
      this.#held.delete(step);
      release();
    };
  }

  async passed(step: Step): Promise<void> {
    const hold = this.#holds.get(step);
    if (hold !== undefined) this.#held.add(step);
    await hold;
  }

  /** Some call waits at this step. */
  isHeld(step: Step): boolean {
    return this.#held.has(step);
  }

  get openWriters(): number {
    return [...this.uploads.values()].reduce((sum, { writers }) => sum + writers, 0);
  }

  async start(spec: UploadSpec): Promise<TempUpload> {
    await this.passed('start');
    if (spec.condition.kind === 'absent' && this.files.has(spec.name)) {
      throw new TransferError('ALREADY_EXISTS', 'it is there');
    }
    const upload = new TempUpload(this, `upload-${this.uploads.size + 1}`, spec);
    this.uploads.set(upload.id, upload);
    return upload;
  }

  async find(id: string): Promise<TempUpload> {
    await this.passed('find');
    const upload = this.uploads.get(id);
    if (upload === undefined) throw new TransferError('UPLOAD_NOT_FOUND', 'there is no such upload');
    return upload;
  }

  async delete(name: string, _condition: WriteCondition): Promise<void> {
    if (!this.files.delete(name)) throw new TransferError('NOT_FOUND', 'there is no such file');
  }

  async deleteDirectory(name: string): Promise<void> {
    throw new TransferError('NOT_FOUND', `there is no ${name}`);
  }

  async close(): Promise<void> {}
}

export class TempUpload implements Upload {
  readonly id: string;
  readonly name: string;
  readonly expectedSize: number | undefined;
  readonly spec: UploadSpec;
  readonly path: string;
  /** Open ones. */
  writers = 0;
  /** Writers that were ever opened. */
  openings = 0;
  syncs = 0;
  /** Every range that was reported, as it was. */
  readonly reported: CheckedRange[] = [];
  readonly #store: TempUploadStore;
  readonly #onFailed = new Set<(error: Error) => void>();
  #written: ByteRange[] = [];
  #durable: ByteRange[] = [];
  #file: FileIdentity | undefined;

  constructor(store: TempUploadStore, id: string, spec: UploadSpec) {
    this.#store = store;
    this.id = id;
    this.spec = spec;
    this.name = spec.name;
    this.expectedSize = spec.expected.size;
    this.path = join(store.directory, id);
  }

  get bytes(): Buffer {
    return existsSync(this.path) ? readFileSync(this.path) : Buffer.alloc(0);
  }

  /** As when the disk fails. */
  fail(error: TransferError): void {
    for (const onFailed of this.#onFailed) onFailed(error);
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
    const fd = openSync(this.path, existsSync(this.path) ? 'r+' : 'w+');
    this.writers += 1;
    this.openings += 1;
    this.#onFailed.add(onFailed);
    let isOpen = true;
    return {
      sink: {
        kind: 'descriptor',
        fd,
        errorOf: (errno) => new TransferError('WRITE_FAILED', errno),
      },
      close: async () => {
        if (!isOpen) return;
        isOpen = false;
        this.#onFailed.delete(onFailed);
        this.writers -= 1;
        closeSync(fd);
      },
    };
  }

  missing(start: number, end: number): ByteRange[] {
    const missing: ByteRange[] = [];
    let at = start;
    for (const range of this.#written) {
      if (range.end <= at || range.start >= end) continue;
      if (range.start > at) missing.push({ start: at, end: range.start });
      at = range.end;
    }
    if (at < end) missing.push({ start: at, end });
    return missing;
  }

  checkQuota(offset: number, bytes: number): void {
    if (offset + bytes > this.#store.maxBytes) throw new TransferError('TOO_LARGE', 'too large');
    if (this.expectedSize !== undefined && offset + bytes > this.expectedSize) {
      throw new TransferError('CONTENT_MISMATCH', 'beyond the declared size');
    }
  }

  written(range: CheckedRange): void {
    const bytes = this.bytes.subarray(range.start, range.end);
    assert.equal(bytes.length, range.end - range.start, 'it is in the file when it is reported');
    assert.equal(crc32(bytes), range.crc32, 'with the right checksum');
    this.reported.push(range);
    this.#written = merged([...this.#written, { start: range.start, end: range.end }]);
  }

  async sync(): Promise<void> {
    await this.#store.passed('sync');
    this.syncs += 1;
    this.#durable = this.#written;
  }

  async finish(expected: ExpectedContent): Promise<FileIdentity> {
    await this.#store.passed('finish');
    if (this.#file !== undefined) return this.#file;
    await this.sync();
    const { bytes } = this;
    const { size, crc32: crc, sha256 } = { ...this.spec.expected, ...expected };
    const wrong =
      this.missing(0, bytes.length).length > 0 ||
      (size !== undefined && size !== bytes.length) ||
      (crc !== undefined && crc !== crc32(bytes)) ||
      (sha256 !== undefined && !createHash('sha256').update(bytes).digest().equals(sha256));
    if (wrong) throw new TransferError('CONTENT_MISMATCH', 'the content is another');
    this.#store.files.set(this.name, bytes);
    this.#file = { name: this.name, size: bytes.length, version: `v-${this.id}`, modifiedMs: 1e12 };
    return this.#file;
  }

  async abort(): Promise<void> {
    this.fail(new TransferError('UPLOAD_NOT_FOUND', 'it was aborted'));
    this.#store.uploads.delete(this.id);
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
