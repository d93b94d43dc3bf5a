/**
 * A Ceph of its own with one bucket, and who works with it: sluice in front of it,
 * and the SDK of AWS by itself. SLUICE_TEST_S3_ENDPOINT with the variables of AWS
 * names another store.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Semaphore } from '../../src/base/async/semaphore.ts';
import { MIB } from '../../src/base/units.ts';
import { Ceph, missingPackages } from '../../test/support/ceph/ceph.ts';
import type { S3Report, S3Request, S3Work } from '../drivers/protocol.ts';
import type { Command } from '../harness/commands.ts';
import { driverCommand, finishDriver, type Server, startDriver } from '../harness/contender.ts';
import { makeS3Client } from './s3-client.ts';
import { startSluice } from './sluice.ts';

/** While a bucket is filled. */
const REQUESTS = 32;
const PART_BYTES = 16 * MIB;

const SDK_DRIVER = 's3-driver';

const GIVEN = process.env.SLUICE_TEST_S3_ENDPOINT;

/** Why there is no object store here; undefined where there is one. */
export function withoutObjectStore(): string | undefined {
  const missing = GIVEN === undefined ? missingPackages() : [];
  if (missing.length === 0) return undefined;
  return `Ceph is not installed: apt-get install --no-install-recommends ${missing.join(' ')}, or set SLUICE_TEST_S3_ENDPOINT`;
}

export class ObjectStore {
  readonly bucket = `bench-${randomUUID()}`;
  readonly endpoint: string;
  readonly #client: S3Client;
  readonly #stop: () => Promise<void>;
  /** Requests that it has had, where it is a Ceph of our own; NaN otherwise. */
  readonly requests: () => Promise<number>;

  private constructor(endpoint: string, stop = async () => {}, requests = async () => Number.NaN) {
    this.endpoint = endpoint;
    this.requests = requests;
    this.#client = makeS3Client(endpoint, REQUESTS);
    this.#stop = stop;
  }

  /** With a new bucket. The programs that are started after it find its credentials. */
  static async start(): Promise<ObjectStore> {
    const store = GIVEN === undefined ? await startCeph() : new ObjectStore(GIVEN);
    await store.#client.send(new CreateBucketCommand({ Bucket: store.bucket }));
    return store;

    async function startCeph(): Promise<ObjectStore> {
      const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-ceph-'));
      const remove = () => rmSync(folder, { recursive: true, force: true });
      process.once('exit', remove);
      const ceph = await Ceph.start(folder);
      const { accessKeyId, secretAccessKey } = ceph.s3;
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
      const stop = async () => {
        await ceph.stop();
        remove();
      };
      return new ObjectStore(ceph.s3.endpoint, stop, () => ceph.requests());
    }
  }

  async stop(): Promise<void> {
    this.#client.destroy();
    await this.#stop();
  }

  /** Puts a file under a key, by parts. */
  async putFile(key: string, path: string): Promise<void> {
    const target = { Bucket: this.bucket, Key: key };
    const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand(target));
    const file = await open(path);
    try {
      const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
      const { size } = await file.stat();
      for (let offset = 0; offset < size; offset += PART_BYTES) {
        const Body = Buffer.allocUnsafe(Math.min(PART_BYTES, size - offset));
        await file.read(Body, 0, Body.length, offset);
        const PartNumber = Parts.length + 1;
        const part = new UploadPartCommand({ ...target, UploadId, PartNumber, Body });
        const { ETag } = await this.#client.send(part);
        Parts.push({ PartNumber, ETag });
      }
      const complete = { ...target, UploadId, MultipartUpload: { Parts } };
      await this.#client.send(new CompleteMultipartUploadCommand(complete));
    } finally {
      await file.close();
    }
  }

  /** Puts all files below the directory `path` under keys that begin with `prefix` and '/'. */
  async putTree(prefix: string, path: string): Promise<void> {
    const semaphore = new Semaphore(REQUESTS);
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const put = async (directory: string, name: string) => {
      const file = join(directory, name);
      const Body = await readFile(file);
      const Key = `${prefix}/${file.slice(path.length + 1)}`;
      await this.#client.send(new PutObjectCommand({ Bucket: this.bucket, Key, Body }));
    };
    const files = entries.filter((entry) => entry.isFile());
    await Promise.all(files.map(({ parentPath, name }) => semaphore.run(() => put(parentPath, name))));
  }

  /** sluice in front of the bucket. */
  serve(flags: readonly string[]): Promise<Server> {
    const how = ['--s3-endpoint', this.endpoint, '--s3-path-style'];
    return startSluice(`s3://${this.bucket}`, [...how, ...flags]);
  }

  /** The SDK on the bucket, in a process of its own. */
  bySdk(inFlight: number, work: S3Work): Promise<S3Report> {
    return finishDriver<S3Report>(startDriver(SDK_DRIVER, this.#request(inFlight, work)));
  }

  commandOfSdk(inFlight: number, work: S3Work): Command {
    return driverCommand(SDK_DRIVER, this.#request(inFlight, work));
  }

  #request(inFlight: number, work: S3Work): S3Request {
    return { endpoint: this.endpoint, bucket: this.bucket, inFlight, work };
  }
}
