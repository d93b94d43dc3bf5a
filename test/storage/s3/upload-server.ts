/** Servers on one model of a store, with small parts, and what clients do on them. */

import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { KeyedMutex } from '../../../src/base/async/keyed-mutex.ts';
import { TransferError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Writer } from '../../../src/storage/byte-source.ts';
import { Conditions } from '../../../src/storage/s3/conditions.ts';
import { Keys } from '../../../src/storage/s3/keys.ts';
import { statusOf } from '../../../src/storage/s3/s3-error.ts';
import type { S3UploadContext } from '../../../src/storage/s3/uploads/context.ts';
import { PartMemory } from '../../../src/storage/s3/uploads/part-memory.ts';
import { S3Sessions } from '../../../src/storage/s3/uploads/s3-sessions.ts';
import type { FileIdentity } from '../../../src/storage/store.ts';
import type {
  ExpectedContent,
  Upload,
  UploadSpec,
  UploadStore,
  UploadWriter,
} from '../../../src/storage/upload-store.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import type { ModelS3 } from '../../support/stores/model-s3.ts';

export const PART = 1000;
export const EXPIRY_MS = 3_600_000;

export class UploadServer {
  readonly memory: PartMemory;
  readonly sessions: S3Sessions;

  constructor(t: TestContext, s3: ModelS3, memoryBytes = 64 * PART) {
    const store = { stat: (name: string) => stat(s3, name) };
    this.memory = new PartMemory(memoryBytes);
    const context: S3UploadContext = {
      bucket: s3.bucket,
      multipart: s3.multipart,
      keys: new Keys(''),
      conditions: new Conditions(store, {
        putIfMatch: (version) => version,
        deleteIfMatch: true,
        completeConditions: s3.hasCompleteConditions,
        checksums: true,
      }),
      checksums: true,
      options: { expiryMs: EXPIRY_MS, maxSizeBytes: 0 },
      logger: silentLogger,
      now: () => s3.nowMs,
      names: new KeyedMutex(),
      partBytes: PART,
      memory: this.memory,
    };
    this.sessions = new S3Sessions(context);
    t.after(() => this.sessions.close());
  }

  start(spec: Partial<UploadSpec> = {}): Promise<Upload> {
    return this.sessions.start(
      { name: 'file', expected: {}, condition: { kind: 'absent' }, ...spec },
      async () => {},
    );
  }
}

/** A stream of an upload. */
export class Stream {
  error: Error | undefined;
  readonly #upload: Upload;
  readonly #writer: UploadWriter;
  readonly #failure: AbortController;

  private constructor(upload: Upload, writer: UploadWriter, failure: AbortController) {
    this.#upload = upload;
    this.#writer = writer;
    this.#failure = failure;
    failure.signal.addEventListener('abort', () => {
      this.error = failure.signal.reason as Error;
    });
  }

  static async open(upload: Upload): Promise<Stream> {
    const failure = new AbortController();
    const writer = await upload.openWriter((error) => failure.abort(error));
    return new Stream(upload, writer, failure);
  }

  /** Writes what is missing of `[start, end)`, in slabs. */
  async write(content: Buffer, start: number, end: number, slabBytes = 300): Promise<void> {
    for (let at = start; at < end; at += slabBytes) {
      for (const range of this.#upload.missing(at, Math.min(end, at + slabBytes))) {
        this.#upload.checkQuota(range.start, range.end - range.start);
        const slab = new Uint8Array(new SharedArrayBuffer(range.end - range.start));
        slab.set(content.subarray(range.start, range.end));
        await (this.#writer.sink as Writer).write(slab, range.start, this.#failure.signal);
        // It is another's from now on.
        this.#upload.written({ ...range, crc32: crc32(slab) });
        slab.fill(0);
      }
    }
  }

  /** As the service ends a stream that does not finish. */
  async end(): Promise<void> {
    await this.#upload.sync().catch(() => {});
    await this.#writer.close();
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }
}

/** Sends all that is missing by one stream, and makes full parts durable. */
export async function send(
  upload: Upload,
  content: Buffer,
  start = 0,
  end = content.length,
  slabBytes?: number,
): Promise<void> {
  const stream = await Stream.open(upload);
  try {
    await stream.write(content, start, end, slabBytes);
  } finally {
    await stream.end();
  }
  if (stream.error !== undefined) throw stream.error;
}

/** As the service ends a stream that finishes: the stream closes first, and nothing is made durable before. */
async function sendAndFinish(
  upload: Upload,
  content: Buffer,
  expected: ExpectedContent,
  slabBytes?: number,
): Promise<FileIdentity> {
  const stream = await Stream.open(upload);
  try {
    await stream.write(content, 0, content.length, slabBytes);
    if (stream.error !== undefined) throw stream.error;
    await stream.close();
    return await upload.finish(expected);
  } finally {
    await stream.end();
  }
}

/** What of a server the clients here use. */
export type Uploads = Pick<UploadStore, 'start'>;

/** As a client does: sends what is missing and finishes, and asks again after each interruption, on the server that `pick` names. */
export async function sendTo(
  pick: () => Uploads,
  spec: UploadSpec,
  content: Buffer,
  slabBytes?: number,
): Promise<FileIdentity> {
  const expected = { size: content.length, crc32: crc32(content) };
  let failure: unknown;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    let upload: Upload | undefined;
    try {
      upload = await pick().start(spec);
      if (upload.state().file !== undefined) return await upload.finish(expected);
      return await sendAndFinish(upload, content, expected, slabBytes);
    } catch (reason) {
      const { code } = TransferError.from(reason);
      failure = reason;
      const isOther = code === 'CONTENT_MISMATCH' && upload !== undefined && isWhole(upload, content.length);
      if (isOther || !AGAIN.has(code)) throw reason;
      await turn();
    }
  }
  throw failure;
}

const MAX_ATTEMPTS = 60;

const AGAIN: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'TAKEN_OVER',
  'CONTENT_MISMATCH',
  'UPLOAD_NOT_FOUND',
]);

/** Nothing that could be sent again is missing. */
function isWhole(upload: Upload, size: number): boolean {
  return upload.state().file !== undefined || upload.missing(0, size).length === 0;
}

async function stat(s3: ModelS3, name: string): Promise<FileIdentity> {
  try {
    const { modifiedMs, size, version } = await s3.bucket.head(name);
    return { name, size, version, modifiedMs };
  } catch (reason) {
    if (statusOf(reason) !== 404) throw reason;
    throw new TransferError('NOT_FOUND', 'there is none');
  }
}
