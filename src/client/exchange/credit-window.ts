/**
 * The credit of one request: what the server may send, and what has come and
 * was not taken yet, are together at most the window. A window grows while its
 * consumer takes everything at once, so that a long way does not slow it down.
 *
 *   | granted, under way or not sent | held: waits for the consumer |  ≤ window
 */
import { brokenContract } from '../broken-contract.ts';

/** Less than this part of the window is not worth a message. */
const WORTH_PART = 4;

/** What the windows of one session may grow by, together, in bytes. */
export class GrowthBudget {
  #leftBytes: number;

  constructor(bytes: number) {
    this.#leftBytes = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#leftBytes) return false;
    this.#leftBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#leftBytes += bytes;
  }
}

export class CreditWindow {
  readonly #mostBytes: number;
  readonly #budget: GrowthBudget;
  #windowBytes: number;
  #grownBytes = 0;
  #grantedBytes = 0;
  #heldBytes = 0;
  /** Taken at once, since the window has grown or the consumer was slow. */
  #promptBytes = 0;

  /** @param mostBytes what it may grow to */
  constructor(windowBytes: number, mostBytes: number, budget: GrowthBudget) {
    this.#windowBytes = windowBytes;
    this.#mostBytes = mostBytes;
    this.#budget = budget;
  }

  /** Granted and not used; negative where the last message went beyond. */
  get grantedBytes(): number {
    return this.#grantedBytes;
  }

  /** There is room for so much that it is worth a message. */
  get hasRoom(): boolean {
    return this.#windowBytes - this.#heldBytes - this.#grantedBytes >= this.#windowBytes / WORTH_PART;
  }

  /** An attempt begins: the credit that goes with it, at least one byte. */
  begin(maxCreditBytes: number): number {
    this.#grantedBytes = Math.max(1, Math.min(this.#windowBytes - this.#heldBytes, maxCreditBytes));
    return this.#grantedBytes;
  }

  /** Bytes have come. Throws PROTOCOL_ERROR where there was not enough credit for them. */
  received(bytes: number): void {
    if (bytes > this.#grantedBytes)
      throw brokenContract(`${bytes} bytes came for credit of ${this.#grantedBytes}`);
    this.#hold(bytes);
  }

  /** As `received`, of a message that may go beyond the credit. */
  receivedMessage(bytes: number): void {
    if (this.#grantedBytes <= 0) throw brokenContract('a message came without credit');
    this.#hold(bytes);
  }

  /** The consumer has taken bytes. */
  taken(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#promptBytes = this.#heldBytes === 0 ? this.#promptBytes + bytes : 0;
    if (this.#promptBytes >= this.#windowBytes) this.#grow();
  }

  /** Credit to grant now; 0 while that is not worth a message. */
  due(maxCreditBytes: number): number {
    const most = Math.min(this.#windowBytes, maxCreditBytes);
    const bytes = Math.min(this.#windowBytes - this.#heldBytes, maxCreditBytes) - this.#grantedBytes;
    if (bytes < most / WORTH_PART) return 0;
    this.#grantedBytes += bytes;
    return bytes;
  }

  /** The attempt is over: of what has come, only `heldBytes` are kept for the consumer. */
  interrupt(heldBytes: number): void {
    this.#grantedBytes = 0;
    this.#heldBytes = heldBytes;
  }

  /** Gives back what it grew by. */
  close(): void {
    this.#budget.give(this.#grownBytes);
    this.#windowBytes -= this.#grownBytes;
    this.#grownBytes = 0;
  }

  #hold(bytes: number): void {
    this.#grantedBytes -= bytes;
    this.#heldBytes += bytes;
  }

  #grow(): void {
    this.#promptBytes = 0;
    const bytes = Math.min(this.#windowBytes, this.#mostBytes - this.#windowBytes);
    if (bytes <= 0 || !this.#budget.take(bytes)) return;
    this.#windowBytes += bytes;
    this.#grownBytes += bytes;
  }
}
