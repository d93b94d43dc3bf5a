/**
 * Objects and multipart uploads as a store has them: each request is atomic at some
 * moment, everybody sees it from then on, and an answer may be lost. Tests make
 * requests fail before they have an effect, or behind it.
 */
import { createHash } from 'node:crypto';
import type { StoredObject } from '../../../src/storage/s3/bucket.ts';
import type { UploadBucket, UploadMultipart } from '../../../src/storage/s3/uploads/context.ts';
import { crc32 } from '../../../src/wire/crc32.ts';

type Request =
  | 'abort'
  | 'complete'
  | 'create'
  | 'delete'
  | 'get'
  | 'head'
  | 'page'
  | 'parts'
  | 'put'
  | 'putPart';

/** 'before': without effect. 'behind': the effect is there, the answer is lost. */
export type Fault = 'before' | 'behind' | undefined;

interface ModelObject {
  readonly body: Buffer;
  readonly mark: string;
  readonly modifiedMs: number;
}

interface ModelUpload {
  readonly key: string;
  readonly mark: string;
  readonly parts: Map<number, Buffer>;
}

export class ModelS3 {
  readonly objects = new Map<string, ModelObject>();
  readonly uploads = new Map<string, ModelUpload>();
  /** What has been asked for. */
  readonly requests: Request[] = [];
  /** Whether completions have conditions. */
  hasCompleteConditions = true;
  nowMs = 1e12;
  /** What happens to the next request of a server. */
  fault: (request: Request, key: string) => Fault = () => undefined;
  /** Awaited before each request has its effect. */
  passed: (request: Request, key: string) => Promise<void> = () => new Promise(setImmediate);
  #created = 0;

  count(request: Request): number {
    return this.requests.filter((each) => each === request).length;
  }

  readonly bucket: UploadBucket = {
    head: (key) => this.#request('head', key, () => this.#object(key)),
    get: (key) => this.#request('get', key, () => this.#found(key).body),
    put: (key, body, ifMatch, mark) =>
      this.#request('put', key, () => {
        this.#check(key, ifMatch ?? undefined, ifMatch === null);
        this.#set(key, Buffer.from(body), mark ?? '');
        return this.#object(key).version;
      }),
    delete: (key) => this.#request('delete', key, () => void this.objects.delete(key)),
    page: (prefix) =>
      this.#request('page', prefix, () => {
        const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
        return {
          objects: keys.map((key) => ({ ...this.#object(key), key })),
          prefixes: [],
          token: undefined,
        };
      }),
  };

  readonly multipart: UploadMultipart = {
    create: (key, mark) =>
      this.#request('create', key, () => {
        this.#created += 1;
        const id = `multipart-${this.#created}`;
        this.uploads.set(id, { key, mark, parts: new Map() });
        return id;
      }),
    putPart: (key, id, number, body, crc) => {
      // What is sent is what is there when the request begins; a caller that changes it is wrong.
      const sent = Buffer.from(body);
      return this.#request('putPart', key, () => {
        if (crc32(sent) !== crc) throw refusal(400, 'BadDigest');
        if (!sent.equals(body)) throw new Error('a part was changed while it was being sent');
        this.#upload(id).parts.set(number, sent);
        return etagOf(sent);
      });
    },
    parts: (key, id) =>
      this.#request('parts', key, () => {
        const parts = [...this.#upload(id).parts];
        return new Map(parts.map(([number, body]) => [number, etagOf(body)]));
      }),
    complete: (key, id, receipts, condition) =>
      this.#request('complete', key, () => {
        const { mark, parts } = this.#upload(id);
        const { ifMatch, ifNoneMatch } = condition ?? {};
        if (this.hasCompleteConditions)
          this.#check(key, ifMatch?.replaceAll('"', ''), ifNoneMatch !== undefined);
        const bodies = receipts.map(({ etag }, index) => {
          const body = parts.get(index + 1);
          if (body === undefined || etagOf(body) !== etag) throw refusal(400, 'InvalidPart');
          return body;
        });
        this.uploads.delete(id);
        this.#set(key, Buffer.concat(bodies), mark);
        return this.#object(key).version;
      }),
    abort: (key, id) =>
      this.#request('abort', key, () => {
        this.#upload(id);
        this.uploads.delete(id);
      }),
  };

  /** As somebody else writes it. */
  put(key: string, body: Uint8Array): void {
    this.#set(key, Buffer.from(body), '');
  }

  async #request<T>(request: Request, key: string, effect: () => T): Promise<T> {
    this.requests.push(request);
    const fault = this.fault(request, key);
    await this.passed(request, key);
    if (fault === 'before') throw refusal(503, 'SlowDown');
    const answer = effect();
    if (fault === 'behind') throw refusal(503, 'SlowDown');
    return answer;
  }

  #set(key: string, body: Buffer, mark: string): void {
    this.objects.set(key, { body, mark, modifiedMs: this.nowMs });
  }

  #check(key: string, version: string | undefined, isAbsent: boolean): void {
    const now = this.objects.get(key);
    if (isAbsent && now !== undefined) throw refusal(412, 'PreconditionFailed');
    if (version === undefined) return;
    if (now === undefined) throw refusal(404, 'NoSuchKey');
    if (etagOf(now.body) !== version) throw refusal(412, 'PreconditionFailed');
  }

  #object(key: string): StoredObject {
    const { body, mark, modifiedMs } = this.#found(key);
    return { size: body.length, version: etagOf(body), modifiedMs, mark, checksum: undefined };
  }

  #found(key: string): ModelObject {
    const found = this.objects.get(key);
    if (found === undefined) throw refusal(404, 'NoSuchKey');
    return found;
  }

  #upload(id: string): ModelUpload {
    const found = this.uploads.get(id);
    if (found === undefined) throw refusal(404, 'NoSuchUpload');
    return found;
  }
}

function etagOf(body: Buffer): string {
  return createHash('md5').update(body).digest('hex');
}

function refusal(status: number, name: string): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status } });
}
