/**
 * One object behind HTTP, with the answers of an object store in good and in bad
 * moments: each GET takes the next step of a script, and behind it all is well.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { Counters } from '../../../src/base/counters/counters.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { openS3, type S3Storage } from '../../../src/storage/s3/open-s3.ts';

export type Step =
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** Some bytes of the body, and then the connection is cut. */
  | { readonly kind: 'cut'; readonly bytes: number }
  /** Some bytes of the body, and nothing more. */
  | { readonly kind: 'hang'; readonly bytes: number }
  | { readonly kind: 'etag'; readonly etag: string }
  /** The byte there is another one. */
  | { readonly kind: 'damage'; readonly at: number }
  /** As of a store that knows no ranges. */
  | { readonly kind: 'whole' };

export class ScriptedS3 {
  readonly script: Step[] = [];
  /** Ranges that were asked for; '' is all. */
  readonly ranges: string[] = [];
  bytes: Buffer;
  etag = 'e1';
  /** Told of the whole to whoever wants it. */
  checksum: string | undefined;
  /** What is told of the parts that the object was uploaded in. */
  parts: { bytes: number; checksum: string }[] = [];
  /** Answers under way. */
  hanging = 0;
  /** Of those who opened it. */
  readonly counters = new Counters();
  readonly #storages: S3Storage[] = [];
  #endpoint = '';

  private constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  static async start(t: TestContext, bytes: Buffer): Promise<ScriptedS3> {
    const s3 = new ScriptedS3(bytes);
    const server = createServer((request, response) => s3.#answer(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    s3.#endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    t.after(async () => {
      for (const { store } of s3.#storages) await store.close();
      server.close();
      server.closeAllConnections();
    });
    return s3;
  }

  /** The object is `file`. */
  async open(requests = 8, hedge = false): Promise<S3Storage['store']> {
    const options = { bucket: 'bucket', prefix: '', endpoint: this.#endpoint, region: 'us-east-1' };
    const how = {
      pathStyle: true,
      requests,
      hedge,
      capabilities: 'auto',
      writable: false,
      logger: silentLogger,
      counters: this.counters,
    };
    const uploads = { expiryMs: 86_400_000, maxSizeBytes: 0 };
    const storage = await openS3({ ...options, ...how, uploads });
    this.#storages.push(storage);
    return storage.store;
  }

  #answer({ method, headers, url = '' }: IncomingMessage, response: ServerResponse): void {
    if (url.includes('list-type=2')) {
      response.end('<?xml version="1.0"?><ListBucketResult></ListBucketResult>');
      return;
    }
    const etag = `"${this.etag}"`;
    response.setHeader('ETag', etag).setHeader('Last-Modified', new Date(1e12).toUTCString());
    const isWhole = method === 'HEAD' || headers.range === undefined;
    if (isWhole && this.checksum !== undefined && headers['x-amz-checksum-mode'] === 'ENABLED')
      response.setHeader('x-amz-checksum-crc32', this.checksum);
    if (method === 'HEAD') {
      response.setHeader('Content-Length', this.bytes.length).end();
      return;
    }
    if (url.includes('?attributes')) {
      response.end(attributesOf(this.parts));
      return;
    }
    this.ranges.push(headers.range ?? '');
    if (headers['if-match'] !== etag) refuse(response, 412, 'PreconditionFailed');
    else this.#get(headers.range ?? '', response, this.script.shift());
  }

  #get(range: string, response: ServerResponse, step: Step | undefined): void {
    if (step?.kind === 'status') {
      refuse(response, step.status, step.code);
      return;
    }
    if (step?.kind === 'etag') response.setHeader('ETag', `"${step.etag}"`);
    const [, from, to] = (step?.kind === 'whole' ? null : /^bytes=(\d+)-(\d+)$/.exec(range)) ?? [];
    const body = from === undefined ? this.bytes : this.bytes.subarray(Number(from), Number(to) + 1);
    response.setHeader('Content-Length', body.length);
    if (from !== undefined) {
      response.statusCode = 206;
      response.setHeader('Content-Range', `bytes ${from}-${to}/${this.bytes.length}`);
    }
    if (step?.kind === 'cut') response.write(body.subarray(0, step.bytes), () => response.destroy());
    else if (step?.kind === 'hang') this.#hang(body, step.bytes, response);
    else response.end(step?.kind === 'damage' ? damaged(body, step.at) : body);
  }

  #hang(body: Buffer, bytes: number, response: ServerResponse): void {
    this.hanging += 1;
    response.on('close', () => {
      this.hanging -= 1;
    });
    if (bytes > 0) response.write(body.subarray(0, bytes));
  }
}

function damaged(body: Buffer, at: number): Buffer {
  const other = Buffer.from(body);
  other[at] = (other[at] as number) ^ 1;
  return other;
}

function attributesOf(parts: ScriptedS3['parts']): string {
  const told = parts.map(
    ({ bytes, checksum }, index) =>
      `<Part><PartNumber>${index + 1}</PartNumber><Size>${bytes}</Size><ChecksumCRC32>${checksum}</ChecksumCRC32></Part>`,
  );
  return `<GetObjectAttributesResponse><ETag>e1</ETag><ObjectParts>${told.join('')}</ObjectParts></GetObjectAttributesResponse>`;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/xml');
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}
