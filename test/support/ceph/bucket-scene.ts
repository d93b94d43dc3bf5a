/** A new bucket in the store that `npm run test:s3` gives, and servers on it. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Semaphore } from '../../../src/base/async/semaphore.ts';
import { Counters } from '../../../src/base/counters/counters.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { openS3, type S3Storage } from '../../../src/storage/s3/open-s3.ts';
import { SluiceProcess } from '../sluice-process.ts';

export const ENDPOINT = process.env.SLUICE_TEST_S3_ENDPOINT ?? '';

const REQUESTS = 32;

export class BucketScene {
  readonly bucket = `sluice-${randomUUID()}`;
  readonly #client = new S3Client({
    endpoint: ENDPOINT,
    region: 'us-east-1',
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  readonly #t: TestContext;

  private constructor(t: TestContext) {
    this.#t = t;
  }

  static async make(t: TestContext): Promise<BucketScene> {
    assert.notEqual(ENDPOINT, '', 'run it by npm run test:s3');
    const scene = new BucketScene(t);
    await scene.#client.send(new CreateBucketCommand({ Bucket: scene.bucket }));
    t.after(() => scene.#remove());
    return scene;
  }

  /** Returns its ETag. */
  async put(key: string, body: Uint8Array | string): Promise<string> {
    const Body = Buffer.from(body);
    const command = { Bucket: this.bucket, Key: key, Body, ContentLength: Body.length };
    const { ETag = '' } = await this.#client.send(new PutObjectCommand(command));
    return ETag.replaceAll('"', '');
  }

  /** Undefined where there is no such object. */
  async get(key: string): Promise<Buffer | undefined> {
    try {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    } catch (reason) {
      if (reason instanceof NoSuchKey) return undefined;
      throw reason;
    }
  }

  async putAll(keys: readonly string[], bodyOf: (key: string) => Uint8Array): Promise<void> {
    const semaphore = new Semaphore(REQUESTS);
    await Promise.all(keys.map((key) => semaphore.run(() => this.put(key, bodyOf(key)))));
  }

  async etag(key: string): Promise<string | undefined> {
    const { ETag } = await this.#client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key }));
    return ETag?.replaceAll('"', '');
  }

  async keys(): Promise<string[]> {
    const keys: string[] = [];
    let token: string | undefined;
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({ Bucket: this.bucket, ContinuationToken: token }),
      );
      keys.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return keys;
  }

  /** Multipart uploads that are neither completed nor aborted. */
  async openMultiparts(): Promise<number> {
    const { Uploads } = await this.#client.send(new ListMultipartUploadsCommand({ Bucket: this.bucket }));
    return Uploads?.length ?? 0;
  }

  /** What is below `prefix` as a store. */
  async store(prefix = '', writable = false): Promise<S3Storage> {
    const how = {
      endpoint: ENDPOINT,
      region: '',
      pathStyle: true,
      requests: REQUESTS,
      hedge: false,
      capabilities: 'auto',
    };
    const uploads = { expiryMs: 86_400_000, maxSizeBytes: 0 };
    const storage = await openS3({
      bucket: this.bucket,
      prefix,
      writable,
      uploads,
      logger: silentLogger,
      counters: new Counters(),
      ...how,
    });
    this.#t.after(async () => {
      await storage.uploads?.close();
      await storage.store.close();
    });
    return storage;
  }

  /** The command `serve` on what is below `prefix`. */
  serve(
    { prefix = '', endpoint = ENDPOINT }: { prefix?: string; endpoint?: string } = {},
    args: readonly string[] = [],
    env: Record<string, string> = {},
  ): SluiceProcess {
    const root = `s3://${this.bucket}/${prefix}`;
    const how = ['--listen', '127.0.0.1:0', '--s3-endpoint', endpoint, '--s3-path-style'];
    return new SluiceProcess(this.#t, ['serve', root, ...how, ...args], { env });
  }

  /** As `serve`, once it accepts calls. */
  async served(
    ...how: Parameters<BucketScene['serve']>
  ): Promise<{ server: SluiceProcess; address: string }> {
    const server = this.serve(...how);
    const [, address = ''] = await server.says(/^sluice is ready on (\S+),/m);
    return { server, address };
  }

  async #remove(): Promise<void> {
    const semaphore = new Semaphore(REQUESTS);
    const remove = (key: string) =>
      semaphore.run(() => this.#client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: key })));
    await Promise.all((await this.keys()).map(remove));
    await this.#client.send(new DeleteBucketCommand({ Bucket: this.bucket }));
    this.#client.destroy();
  }
}
