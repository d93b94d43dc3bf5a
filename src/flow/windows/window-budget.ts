/**
 * The total of the receive windows of all connections of a process. Logic only.
 * Max-min fairness: when wishes exceed the budget, small ones are met in full and
 * large ones get equal shares.
 *
 * A window that shrinks frees nothing yet: offered bytes may still come, and stay
 * unread for long. So a share that is cut occupies its old size until its owner
 * says how much is in use (`holds`), and others grow only then.
 *
 * Invariant: shares occupy at most `totalBytes`, except that nobody gets less
 * than the least window of HTTP/2, and for bytes that owners hold beyond their
 * share.
 */
import { MIN_WINDOW_BYTES } from '../../base/limits.ts';

export class WindowBudget {
  readonly totalBytes: number;
  readonly #shares = new Set<BudgetShare>();
  #isShort = false;

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes;
  }

  /** Of all shares together. */
  get grantedBytes(): number {
    let sum = 0;
    for (const share of this.#shares) sum += share.grantedBytes;
    return sum;
  }

  /** Granted, or held still of what was granted before. */
  get occupiedBytes(): number {
    let sum = 0;
    for (const share of this.#shares) sum += share.occupiedBytes;
    return sum;
  }

  /**
   * A connection's share. `onChange` is called when the wishes of others change its
   * grant, not when its own do.
   */
  open(onChange: (grantedBytes: number) => void): BudgetShare {
    const share: BudgetShare = new BudgetShare(onChange, (isWish) => this.#changed(share, isWish));
    return share;
  }

  /** @param isWish of the share itself, which then sees by itself what it has got */
  #changed(share: BudgetShare, isWish: boolean): void {
    if (share.wantedBytes > 0 || share.occupiedBytes > 0) this.#shares.add(share);
    else this.#shares.delete(share);
    const isShort = this.#neededBytes() > this.totalBytes;
    const wasShort = this.#isShort;
    this.#isShort = isShort;
    // While there is enough for all, only this grant changes.
    if (isShort || wasShort) this.#divide(isWish ? share : undefined);
    else share.grant(share.wantedBytes);
  }

  #neededBytes(): number {
    let sum = 0;
    for (const share of this.#shares) sum += Math.max(share.wantedBytes, share.occupiedBytes);
    return sum;
  }

  #divide(asking: BudgetShare | undefined): void {
    const targets = this.#targets();
    const changed = new Set<BudgetShare>();
    for (const [share, bytes] of targets) {
      if (bytes < share.grantedBytes && share.grant(bytes)) changed.add(share);
    }
    let freeBytes = this.totalBytes - this.occupiedBytes;
    for (const [share, bytes] of targets) {
      if (bytes <= share.grantedBytes) continue;
      const before = share.occupiedBytes;
      const least = Math.min(bytes, MIN_WINDOW_BYTES);
      const possibleBytes = Math.max(least, Math.min(bytes, before + Math.max(0, freeBytes)));
      if (possibleBytes > share.grantedBytes && share.grant(possibleBytes)) changed.add(share);
      freeBytes -= share.occupiedBytes - before;
    }
    for (const share of changed) {
      if (share !== asking) share.notify();
    }
  }

  /** The target of each share, the smallest wish first. */
  #targets(): [share: BudgetShare, bytes: number][] {
    const byWish = [...this.#shares].sort((a, b) => a.wantedBytes - b.wantedBytes);
    let leftBytes = this.totalBytes;
    return byWish.map((share, index) => {
      const equalBytes = Math.floor(leftBytes / (byWish.length - index));
      const least = Math.min(share.wantedBytes, MIN_WINDOW_BYTES);
      const bytes = Math.max(least, Math.min(share.wantedBytes, equalBytes));
      leftBytes = Math.max(0, leftBytes - bytes);
      return [share, bytes];
    });
  }
}

export class BudgetShare {
  readonly #onChange: (grantedBytes: number) => void;
  readonly #onChanged: (isWish: boolean) => void;
  #wantedBytes = 0;
  #grantedBytes = 0;
  #heldBytes = 0;
  #isClosed = false;

  /** `WindowBudget.open` makes one. */
  constructor(onChange: (grantedBytes: number) => void, onChanged: (isWish: boolean) => void) {
    this.#onChange = onChange;
    this.#onChanged = onChanged;
  }

  get wantedBytes(): number {
    return this.#wantedBytes;
  }

  get grantedBytes(): number {
    return this.#grantedBytes;
  }

  /** Granted, or held still of what was granted before. */
  get occupiedBytes(): number {
    return Math.max(this.#grantedBytes, this.#heldBytes);
  }

  /** More was granted before, and its owner has not said that it is free. */
  get isHolding(): boolean {
    return this.#heldBytes > this.#grantedBytes;
  }

  /** Asks for this much in place of what was asked for before; returns what there is. */
  want(bytes: number): number {
    if (this.#isClosed || bytes === this.#wantedBytes) return this.#grantedBytes;
    this.#wantedBytes = bytes;
    this.#onChanged(true);
    return this.#grantedBytes;
  }

  /** After a cut took effect: what is in use, or may still be. */
  holds(bytes: number): void {
    if (this.#isClosed || bytes === this.#heldBytes) return;
    const before = this.occupiedBytes;
    this.#heldBytes = bytes;
    if (this.occupiedBytes !== before) this.#onChanged(false);
  }

  /** Gives everything back: nothing comes any more. Safe to call twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wantedBytes = 0;
    this.#grantedBytes = 0;
    this.#heldBytes = 0;
    this.#onChanged(true);
  }

  /** The budget's part: true when the grant has changed. */
  grant(bytes: number): boolean {
    if (bytes === this.#grantedBytes) return false;
    if (bytes < this.#grantedBytes) this.#heldBytes = this.occupiedBytes;
    this.#grantedBytes = bytes;
    return true;
  }

  /** The budget's part. */
  notify(): void {
    this.#onChange(this.#grantedBytes);
  }
}
