/** The memory that pages of all listings of a store hold together. */
import { LISTING_NAMES_BYTES } from '../../../base/limits.ts';

/** An entry beside its name: objects, strings and an ETag. */
const ENTRY_BYTES = 384;

export class PageShare {
  readonly #limitBytes: number;
  #heldBytes = 0;

  constructor(limitBytes = LISTING_NAMES_BYTES) {
    this.#limitBytes = limitBytes;
  }

  /** More is held than all may hold: a listing drops its page where it can ask for it again. */
  get isExceeded(): boolean {
    return this.#heldBytes > this.#limitBytes;
  }

  /** Notes that a page is held; what is returned says that it is not any more, and is safe to call twice. */
  hold(entries: readonly { readonly raw: string }[]): () => void {
    let bytes = entries.reduce((sum, { raw }) => sum + 2 * raw.length + ENTRY_BYTES, 0);
    this.#heldBytes += bytes;
    return () => {
      this.#heldBytes -= bytes;
      bytes = 0;
    };
  }
}
