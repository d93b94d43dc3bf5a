/** How many transfers may be under way at once. */
import { TransferError } from '../base/errors.ts';

export class Admission {
  readonly #limit: number;
  #active = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get active(): number {
    return this.#active;
  }

  /** Takes a place; the caller gives it back with `leave`. Throws RESOURCE_EXHAUSTED when there is none. */
  enter(): void {
    if (this.#active >= this.#limit) {
      throw new TransferError(
        'RESOURCE_EXHAUSTED',
        `the server already runs ${this.#limit} transfers, which is its limit; try again later`,
      );
    }
    this.#active += 1;
  }

  leave(): void {
    this.#active -= 1;
  }
}
