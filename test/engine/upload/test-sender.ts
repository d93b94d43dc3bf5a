/** A sender of one upload stream in memory: it reserves memory as the network would, and holds the pipeline to its word. */
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import { TransferError } from '../../../src/base/errors.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import type { WrittenBytes } from '../../../src/engine/jobs/job.ts';
import type { Share } from '../../../src/engine/jobs/share.ts';
import type { UploadListener, UploadPipeline } from '../../../src/engine/upload/upload-pipeline.ts';
import type { ByteSink } from '../../../src/storage/byte-source.ts';
import type { Scope } from '../../support/test-engine.ts';
import { MemoryWriter } from './memory-writer.ts';

/** Where an upload goes. */
export interface Target {
  sink: ByteSink;
  bytes(): Buffer;
}

/** An empty file to write to, by workers or by its store. */
export function targetOf(scope: Scope, kind: ByteSink['kind']): Target {
  if (kind === 'descriptor') return targetFile(scope);
  const writer = new MemoryWriter();
  return { sink: writer, bytes: () => writer.bytes() };
}

/** What the store says of a system error is WRITE_FAILED and the error. */
export function descriptorOf(fd: number): ByteSink {
  return { kind: 'descriptor', fd, errorOf: (errno) => new TransferError('WRITE_FAILED', errno) };
}

function targetFile(scope: Scope): Target {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-upload-'));
  const path = join(directory, 'target');
  const fd = openSync(path, 'w+');
  scope.after(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });
  ftruncateSync(fd, 0);
  return { sink: descriptorOf(fd), bytes: () => readFileSync(path) };
}

/** A range of the source, sent as one chunk. */
export interface SentChunk {
  start: number;
  end: number;
  compressed?: boolean;
  /** Default: the right one. */
  crc32?: number;
}

export class TestSender implements UploadListener {
  readonly pipeline: UploadPipeline;
  /** What was reported, in the order in which it was. */
  readonly ranges: WrittenBytes[] = [];
  readonly failures: TransferError[] = [];
  /** How often a chunk went on in other memory. */
  moves = 0;
  readonly #source: Buffer;
  #memory: Uint8Array | null = null;
  #freed: (() => void) | null = null;
  /** A method of the pipeline runs. */
  #isInside = false;

  constructor(engine: Engine, { sink }: Target, source: Buffer, share?: Share) {
    this.#source = source;
    this.pipeline = engine.receiveUpload(sink, this, share);
  }

  memoryIsFree(): void {
    assert.equal(this.#isInside, false, 'told of memory from within a method of the pipeline');
    this.#freed?.();
  }

  moveChunk(memory: Uint8Array): void {
    const old = this.#memory;
    assert.ok(old);
    assert.ok(Buffer.from(memory).equals(Buffer.from(old)));
    this.#memory = memory;
    this.moves += 1;
  }

  written(ranges: readonly WrittenBytes[]): void {
    this.ranges.push(...ranges);
  }

  failed(error: TransferError): void {
    this.failures.push(error);
    this.#memory = null;
    this.#freed?.();
  }

  /** Reserves memory as soon as some is free; false when the pipeline failed before. */
  async reserve(bytes: number): Promise<boolean> {
    while (this.failures.length === 0) {
      // The promise stands before the pipeline is asked: being told is never missed.
      const freed = new Promise<void>((resolve) => (this.#freed = resolve));
      const memory = this.#inside(() => this.pipeline.reserve(bytes));
      if (memory !== null) {
        assert.equal(memory.length, bytes);
        this.#memory = memory;
        return true;
      }
      await freed;
    }
    return false;
  }

  /** Puts bytes into the memory that was reserved. */
  fill(bytes: Uint8Array, at = 0): void {
    this.#memory?.set(bytes, at);
  }

  /** The chunk in the memory reserved is whole. */
  keep({ start, end, compressed = false, crc32: sentCrc }: SentChunk): void {
    const wireBytes = this.#memory?.length ?? 0;
    const crc = sentCrc ?? crc32(this.#source.subarray(start, end));
    const ranges = [{ start, end }];
    const codec = compressed ? 'gzip' : 'identity';
    this.#memory = null;
    this.#inside(() =>
      this.pipeline.keep({ wireBytes, rawBytes: end - start, codec, crc32: crc, offset: start, ranges }),
    );
  }

  drop(): void {
    this.#memory = null;
    this.#inside(() => this.pipeline.drop());
  }

  /** Sends one chunk whole; `pause` is awaited in the middle of it. False when the pipeline failed before. */
  async send(chunk: SentChunk, pause?: () => Promise<unknown>): Promise<boolean> {
    const raw = this.#source.subarray(chunk.start, chunk.end);
    const wire = chunk.compressed ? gzipSync(raw, { level: 1 }) : raw;
    if (!(await this.reserve(wire.length))) return false;
    const half = wire.length >> 1;
    this.fill(wire.subarray(0, half));
    if (pause !== undefined) await pause();
    if (this.failures.length > 0) return false;
    this.fill(wire.subarray(half), half);
    this.keep(chunk);
    return true;
  }

  #inside<T>(call: () => T): T {
    this.#isInside = true;
    try {
      return call();
    } finally {
      this.#isInside = false;
    }
  }
}
