/** Files that are in the way of directories; each name is looked up once. */
import { TransferError } from '../../base/errors.ts';
import { quoteName } from '../quoted-name.ts';
import type { Bucket } from './bucket.ts';
import type { Keys } from './keys.ts';
import { statusOf } from './s3-error.ts';

export class Obstacles {
  readonly #bucket: Bucket;
  readonly #keys: Keys;
  readonly #isFile = new Map<string, Promise<boolean>>();

  constructor(bucket: Bucket, keys: Keys) {
    this.#bucket = bucket;
    this.#keys = keys;
  }

  /** Throws NOT_A_FILE where the directory `name` ('' is the root), or one above it, is a file. */
  async check(name: string): Promise<void> {
    const components = name === '' ? [] : name.split('/');
    const directories = components.map((_, index) => components.slice(0, index + 1).join('/'));
    const isFile = await Promise.all(directories.map((directory) => this.#lookUp(directory)));
    const obstacle = directories[isFile.indexOf(true)];
    if (obstacle === undefined) return;
    throw new TransferError(
      'NOT_A_FILE',
      `${quoteName(obstacle)} is a file, and no directory; choose another name`,
    );
  }

  #lookUp(name: string): Promise<boolean> {
    const known = this.#isFile.get(name);
    if (known !== undefined) return known;
    const found = this.#bucket.head(this.#keys.ofFile(name)).then(
      () => true,
      (reason: unknown) => {
        if (statusOf(reason) === 404) return false;
        throw reason;
      },
    );
    this.#isFile.set(name, found);
    return found;
  }
}
