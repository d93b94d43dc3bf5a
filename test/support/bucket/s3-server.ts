/**
 * A store that speaks S3 over HTTP, in this process: objects with ETags, conditions,
 * ranges and checksums, multipart uploads and listings, as Amazon S3 has them. Names of buckets are in
 * paths; signatures are not checked.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { StoreCapability } from '../../../src/base/store-capabilities.ts';
import { checksumText } from '../../../src/storage/s3/reads/stored-checksum.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import { ModelBucket } from '../stores/model-bucket.ts';
import { Multiparts, Refusal } from './multiparts.ts';

export interface ServedObject {
  readonly body: Buffer;
  readonly etag: string;
  readonly checksum: string;
  /** Of the user, by header. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly modified: Date;
}

interface Request {
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

const PAGE_KEYS = 1000;

export class S3Server {
  readonly objects = new Map<string, ServedObject>();
  /** Conditions that it knows; the others it ignores. */
  conditions: ReadonlySet<StoreCapability> = new Set([
    'put-if-match',
    'delete-if-match',
    'complete-conditions',
  ]);
  /** Requests that change something, or would. */
  changes = 0;
  endpoint = '';
  readonly multiparts: Multiparts;
  readonly #verifies: boolean;
  readonly #handlers: Readonly<
    Record<string, (request: Request, response: ServerResponse) => void | Promise<void>>
  > = {
    HEAD: (request, response) => this.#head(request, response),
    GET: (request, response) =>
      request.key === '' ? this.#list(request, response) : this.#get(request, response),
    PUT: (request, response) => this.#put(request, response),
    POST: (request, response) => this.#post(request, response),
    DELETE: (request, response) => this.#delete(request, response),
  };

  private constructor(verifies: boolean) {
    this.#verifies = verifies;
    this.multiparts = new Multiparts(verifies);
  }

  /** @param verifies what comes is compared with the checksum that comes with it */
  static async start(t: TestContext, verifies = true): Promise<S3Server> {
    const s3 = new S3Server(verifies);
    const server = createServer((request, response) => void s3.#answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    s3.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return s3;
  }

  put(key: string, body: Buffer, metadata: ServedObject['metadata'] = {}): ServedObject {
    const etag = createHash('md5').update(body).digest('hex');
    const object = { body, etag, checksum: checksumText(crc32(body)), metadata, modified: new Date() };
    this.objects.set(key, object);
    return object;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', this.endpoint);
    const [, , ...components] = pathname.split('/');
    const key = components.map(decodeURIComponent).join('/');
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    if (request.method !== 'GET' && request.method !== 'HEAD') this.changes += 1;
    try {
      const handler = this.#handlers[request.method ?? ''];
      if (handler === undefined) throw new Refusal(501, 'NotImplemented');
      await handler({ key, query, headers: request.headers, body: Buffer.concat(pieces) }, response);
    } catch (reason) {
      if (!(reason instanceof Refusal)) throw reason;
      response.statusCode = reason.status;
      const text = `<?xml version="1.0"?><Error><Code>${reason.message}</Code><Message>no</Message></Error>`;
      response.end(request.method === 'HEAD' ? undefined : text);
    }
  }

  #head(request: Request, response: ServerResponse): void {
    const { body } = this.#describe(request, response);
    response.setHeader('Content-Length', body.length).end();
  }

  #get(request: Request, response: ServerResponse): void {
    const uploadId = request.query.get('uploadId');
    if (uploadId !== null) {
      response.end(this.multiparts.list(uploadId));
      return;
    }
    const { body } = this.#describe(request, response);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (from === undefined) {
      response.end(body);
      return;
    }
    const range = body.subarray(Number(from), Number(to) + 1);
    response.statusCode = 206;
    response.setHeader('Content-Range', `bytes ${from}-${Number(from) + range.length - 1}/${body.length}`);
    response.end(range);
  }

  /** The object, as the headers of the answer tell it. */
  #describe({ headers, key }: Request, response: ServerResponse): ServedObject {
    const object = this.objects.get(key);
    if (object === undefined) throw new Refusal(404, 'NoSuchKey');
    this.#check(key, headers);
    response.setHeader('ETag', `"${object.etag}"`).setHeader('Last-Modified', object.modified.toUTCString());
    for (const [name, value] of Object.entries(object.metadata)) response.setHeader(name, value);
    if (headers['x-amz-checksum-mode'] === 'ENABLED' && headers.range === undefined) {
      response.setHeader('x-amz-checksum-crc32', object.checksum);
      response.setHeader('x-amz-checksum-type', 'FULL_OBJECT');
    }
    return object;
  }

  #put({ body, headers, key, query }: Request, response: ServerResponse): void {
    const uploadId = query.get('uploadId');
    const checksum = textOf(headers['x-amz-checksum-crc32']);
    if (uploadId !== null) {
      const { etag } = this.multiparts.put(uploadId, Number(query.get('partNumber')), body, checksum);
      response.setHeader('ETag', `"${etag}"`).end();
      return;
    }
    this.#checkPut(key, headers);
    if (this.#verifies && checksum !== undefined && checksum !== checksumText(crc32(body)))
      throw new Refusal(400, 'BadDigest');
    const { etag } = this.put(key, body, metadataOf(headers));
    response.setHeader('ETag', `"${etag}"`).end();
  }

  #post({ body, headers, key, query }: Request, response: ServerResponse): void {
    const uploadId = query.get('uploadId');
    if (uploadId === null) {
      const id = this.multiparts.create(metadataOf(headers), textOf(headers['x-amz-checksum-algorithm']));
      response.end(
        `<?xml version="1.0"?><InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      );
      return;
    }
    if (this.conditions.has('complete-conditions')) this.#check(key, headers);
    const whole = this.multiparts.complete(uploadId, body.toString());
    const { etag } = this.put(key, whole.body, whole.metadata);
    response.end(
      `<?xml version="1.0"?><CompleteMultipartUploadResult><ETag>&quot;${etag}&quot;</ETag></CompleteMultipartUploadResult>`,
    );
  }

  #delete({ headers, key, query }: Request, response: ServerResponse): void {
    const uploadId = query.get('uploadId');
    if (uploadId === null) {
      if (this.conditions.has('delete-if-match')) this.#check(key, headers);
      this.objects.delete(key);
    } else this.multiparts.abort(uploadId);
    response.statusCode = 204;
    response.end();
  }

  #checkPut(key: string, headers: IncomingMessage['headers']): void {
    const { 'if-match': ifMatch, ...others } = headers;
    if (ifMatch !== undefined && this.conditions.has('put-if-match-unquoted'))
      this.#check(key, { ...others, 'if-match': `"${ifMatch}"` });
    else this.#check(key, this.conditions.has('put-if-match') ? headers : others);
  }

  #check(key: string, headers: IncomingMessage['headers']): void {
    const etag = this.objects.get(key)?.etag;
    const isBroken =
      (headers['if-none-match'] === '*' && etag !== undefined) ||
      (headers['if-match'] !== undefined && headers['if-match'] !== `"${etag}"`);
    if (isBroken) throw new Refusal(412, 'PreconditionFailed');
  }

  async #list({ query }: Request, response: ServerResponse): Promise<void> {
    const bucket = new ModelBucket([...this.objects.keys()], Number(query.get('max-keys') ?? PAGE_KEYS));
    const after = query.get('start-after') ?? undefined;
    const told = query.get('continuation-token') ?? undefined;
    const page = await bucket.page(query.get('prefix') ?? '', { after, token: told });
    const contents = page.objects.map(({ key }) => {
      const { body, etag, modified } = this.objects.get(key) as ServedObject;
      return `<Contents><Key>${encodeURIComponent(key)}</Key><LastModified>${modified.toISOString()}</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${body.length}</Size></Contents>`;
    });
    const prefixes = page.prefixes.map(
      (prefix) => `<CommonPrefixes><Prefix>${encodeURIComponent(prefix)}</Prefix></CommonPrefixes>`,
    );
    const token = page.token === undefined ? '' : escaped(page.token);
    response.end(
      `<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${token !== ''}</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>${contents.join('')}${prefixes.join('')}</ListBucketResult>`,
    );
  }
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}

function metadataOf(headers: IncomingMessage['headers']): ServedObject['metadata'] {
  const metadata = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
  return Object.fromEntries(metadata) as ServedObject['metadata'];
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
