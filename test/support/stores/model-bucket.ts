/** The keys of a bucket and the pages that a store gives of them: what ListObjectsV2 with the delimiter '/' says. */
import type { ListedObject, ListedPage, PageOptions } from '../../../src/storage/s3/bucket.ts';

export class ModelBucket {
  /** Of all listings. */
  pages = 0;
  readonly #keys: readonly string[];
  readonly #pageKeys: number;

  constructor(keys: readonly string[], pageKeys: number) {
    this.#keys = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    this.#pageKeys = pageKeys;
  }

  async page(
    prefix: string,
    { after, token, max = this.#pageKeys, signal }: PageOptions = {},
  ): Promise<ListedPage> {
    signal?.throwIfAborted();
    this.pages += 1;
    const objects: ListedObject[] = [];
    const prefixes: string[] = [];
    let last: string | undefined;
    for (const told of this.#told(prefix, token ?? after)) {
      // A token names what was told last: of a common prefix, all of it.
      if (told === token || told === last) continue;
      if (objects.length + prefixes.length === max) return { objects, prefixes, token: last };
      if (told.endsWith('/') && told !== prefix) prefixes.push(told);
      else objects.push({ key: told, size: told.length, version: `v-${told}`, modifiedMs: 1e12 });
      last = told;
    }
    return { objects, prefixes, token: undefined };
  }

  /** The keys behind `begin`, in their order, each as far as the first '/' behind the prefix. */
  *#told(prefix: string, begin: string | undefined): Generator<string, void, undefined> {
    for (const key of this.#keys) {
      if (!key.startsWith(prefix) || (begin !== undefined && !isBehind(key, begin))) continue;
      const end = key.indexOf('/', prefix.length);
      yield end < 0 ? key : key.slice(0, end + 1);
    }
  }

  async hasAny(prefix: string): Promise<boolean> {
    return this.#keys.some((key) => key.startsWith(prefix));
  }
}

function isBehind(key: string, other: string): boolean {
  return Buffer.compare(Buffer.from(key), Buffer.from(other)) > 0;
}
