/** How many transfers of one kind may be under way at once. */
import { TransferError } from '../base/errors.ts';

export class Admission {
  readonly #what: string;
  readonly #limit: number;
  #active = 0;

  /** `what` names them in the refusal. */
  constructor(what: string, limit: number) {
    this.#what = what;
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
        `the server already runs ${this.#limit} ${this.#what}, which is its limit; try again later`,
      );
    }
    this.#active += 1;
  }

  leave(): void {
    this.#active -= 1;
  }
}
