/**
 * A store that speaks S3 over HTTP, in this process: objects with ETags, conditions,
 * ranges and checksums, and listings, as Amazon S3 has them. Names of buckets are in
 * paths; signatures are not checked.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { checksumText } from '../../../src/storage/s3/reads/stored-checksum.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import { ModelBucket } from '../stores/model-bucket.ts';

export interface ServedObject {
  readonly body: Buffer;
  readonly etag: string;
  readonly checksum: string;
  /** Of the user, by header. */
  readonly metadata: Readonly<Record<string, string>>;
}

interface Request {
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** What the store does not do. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, name: string) {
    super(name);
    this.status = status;
  }
}

const MODIFIED = new Date(1e12);
const PAGE_KEYS = 1000;

export class S3Server {
  readonly objects = new Map<string, ServedObject>();
  endpoint = '';
  readonly #handlers: Readonly<
    Record<string, (request: Request, response: ServerResponse) => void | Promise<void>>
  > = {
    HEAD: (request, response) => this.#head(request, response),
    GET: (request, response) =>
      request.key === '' ? this.#list(request, response) : this.#get(request, response),
    PUT: (request, response) => this.#put(request, response),
    DELETE: (request, response) => this.#delete(request, response),
  };

  private constructor() {}

  static async start(t: TestContext): Promise<S3Server> {
    const s3 = new S3Server();
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
    const object = { body, etag, checksum: checksumText(crc32(body)), metadata };
    this.objects.set(key, object);
    return object;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', this.endpoint);
    const [, , ...components] = pathname.split('/');
    const key = components.map(decodeURIComponent).join('/');
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
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
    response.setHeader('ETag', `"${object.etag}"`).setHeader('Last-Modified', MODIFIED.toUTCString());
    for (const [name, value] of Object.entries(object.metadata)) response.setHeader(name, value);
    if (headers['x-amz-checksum-mode'] === 'ENABLED' && headers.range === undefined) {
      response.setHeader('x-amz-checksum-crc32', object.checksum);
      response.setHeader('x-amz-checksum-type', 'FULL_OBJECT');
    }
    return object;
  }

  #put({ body, headers, key }: Request, response: ServerResponse): void {
    this.#check(key, headers);
    const checksum = headers['x-amz-checksum-crc32'];
    if (checksum !== undefined && checksum !== checksumText(crc32(body))) throw new Refusal(400, 'BadDigest');
    const metadata = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
    const { etag } = this.put(key, body, Object.fromEntries(metadata) as ServedObject['metadata']);
    response.setHeader('ETag', `"${etag}"`).end();
  }

  #delete({ headers, key }: Request, response: ServerResponse): void {
    this.#check(key, headers);
    this.objects.delete(key);
    response.statusCode = 204;
    response.end();
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
      const { body, etag } = this.objects.get(key) as ServedObject;
      return `<Contents><Key>${encodeURIComponent(key)}</Key><LastModified>${MODIFIED.toISOString()}</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${body.length}</Size></Contents>`;
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

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
