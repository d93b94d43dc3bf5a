/**
 * Who writes where in one upload. Several streams may write parts at once; where
 * two meet over missing bytes, the newer one wins. So a client that lost its
 * connection resumes at once, whatever its dead stream still holds.
 *
 * A writer's claim is `[start, next)`: the bytes it has submitted, in order.
 */
import { TransferError } from '../../base/errors.ts';

export interface RangeWriter {
  /** Where its first byte went. */
  readonly start: number;
  /** Where its next byte goes. */
  readonly next: number;
  /** Ends it with `error`; resolves when it writes nothing more. */
  yieldTo(error: TransferError): Promise<void>;
  /** Ends it with `error` behind what it has received; resolves when that is written. */
  endBehindReceived(error: TransferError): Promise<void>;
}

export class UploadClaims {
  /** Oldest first. */
  readonly #writers: RangeWriter[] = [];

  get count(): number {
    return this.#writers.length;
  }

  /** Ends every writer, as `endBehindReceived`. */
  async endAll(error: TransferError): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.endBehindReceived(error)));
  }

  join(writer: RangeWriter): void {
    this.#writers.push(writer);
  }

  leave(writer: RangeWriter): void {
    const at = this.#writers.indexOf(writer);
    if (at >= 0) this.#writers.splice(at, 1);
  }

  /**
   * The older writers that `writer` meets in `[start, end)`; they must yield before it may write there.
   *
   * @throws TransferError TAKEN_OVER when it meets a newer one.
   */
  metBy(writer: RangeWriter, start: number, end: number): RangeWriter[] {
    const at = this.#writers.indexOf(writer);
    const met = this.#writers.filter((other, i) => i !== at && meets(other, start, end));
    if (met.some((other) => this.#writers.indexOf(other) > at)) throw takenOver();
    return met;
  }
}

/** A writer without bytes meets nobody. */
function meets({ start: from, next }: RangeWriter, start: number, end: number): boolean {
  return from < next && start < next && end > from;
}

export function takenOver(): TransferError {
  return new TransferError('TAKEN_OVER', 'a newer stream writes this range; ask for the state and resume');
}
