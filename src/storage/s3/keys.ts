/** Names and keys: a key is the prefix that is served, a '/', and the name. */
import { TransferError } from '../../base/errors.ts';
import { parseName, parsePrefix } from '../name.ts';
import { quoteName } from '../quoted-name.ts';

/** Of every store that speaks S3. */
const MAX_KEY_BYTES = 1024;

export class Keys {
  /** Of all keys: empty, or with a '/' at its end. */
  readonly prefix: string;

  /** @param prefix without a '/' at either end */
  constructor(prefix: string) {
    this.prefix = prefix === '' ? '' : `${prefix}/`;
  }

  /** The key of a file. Throws INVALID_NAME. */
  ofFile(name: string): string {
    parseName(name);
    return this.#bounded(this.prefix + name, name);
  }

  /** What the keys in a directory begin with: the key of its marker. Throws INVALID_NAME. */
  ofDirectory(name: string): string {
    parsePrefix(name);
    return name === '' ? this.prefix : this.#bounded(`${this.prefix}${name}/`, name);
  }

  #bounded(key: string, name: string): string {
    if (Buffer.byteLength(key) <= MAX_KEY_BYTES) return key;
    const message = `the name ${quoteName(name)} is longer than a key of the object store may be, ${MAX_KEY_BYTES} bytes; shorten it`;
    throw new TransferError('INVALID_NAME', message);
  }
}
