/**
 * What all connections of a process may offer as receive windows together.
 * Logic only. While there is enough, everyone has what it wants; when there is
 * not, small wishes are met in full and large ones get equal shares (max-min).
 *
 * Invariant: grants sum to at most `totalBytes`, except that nobody gets less
 * than the least window of HTTP/2.
 */
import { LEAST_WINDOW_BYTES } from '../base/limits.ts';

export class WindowBudget {
  readonly totalBytes: number;
  readonly #shares = new Set<BudgetShare>();
  #wantedBytes = 0;
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

  /**
   * A connection's share. `onChange` is told when others' wishes change what it
   * has been granted, not when its own do.
   */
  open(onChange: (grantedBytes: number) => void): BudgetShare {
    const share: BudgetShare = new BudgetShare(onChange, (from, to) => this.#wishChanged(share, from, to));
    return share;
  }

  #wishChanged(share: BudgetShare, fromBytes: number, toBytes: number): void {
    this.#wantedBytes += toBytes - fromBytes;
    if (toBytes > 0) this.#shares.add(share);
    else this.#shares.delete(share);
    const isShort = this.#wantedBytes > this.totalBytes;
    // With enough for all before and after, only this one's grant changes.
    share.grant(toBytes);
    if (isShort || this.#isShort) this.#divide(share);
    this.#isShort = isShort;
  }

  #divide(asking: BudgetShare): void {
    const byWish = [...this.#shares].sort((a, b) => a.wantedBytes - b.wantedBytes);
    let leftBytes = this.totalBytes;
    for (const [index, share] of byWish.entries()) {
      const equalBytes = Math.floor(leftBytes / (byWish.length - index));
      const least = Math.min(share.wantedBytes, LEAST_WINDOW_BYTES);
      const bytes = Math.max(least, Math.min(share.wantedBytes, equalBytes));
      leftBytes = Math.max(0, leftBytes - bytes);
      const hasChanged = share.grant(bytes);
      if (hasChanged && share !== asking) share.notify();
    }
  }
}

export class BudgetShare {
  readonly #onChange: (grantedBytes: number) => void;
  readonly #onWish: (fromBytes: number, toBytes: number) => void;
  #wantedBytes = 0;
  #grantedBytes = 0;
  #isClosed = false;

  /** `WindowBudget.open` makes one. */
  constructor(
    onChange: (grantedBytes: number) => void,
    onWish: (fromBytes: number, toBytes: number) => void,
  ) {
    this.#onChange = onChange;
    this.#onWish = onWish;
  }

  get wantedBytes(): number {
    return this.#wantedBytes;
  }

  get grantedBytes(): number {
    return this.#grantedBytes;
  }

  /** Asks for this much in place of what was asked for before; returns what there is. */
  want(bytes: number): number {
    if (this.#isClosed || bytes === this.#wantedBytes) return this.#grantedBytes;
    const before = this.#wantedBytes;
    this.#wantedBytes = bytes;
    this.#onWish(before, bytes);
    return this.#grantedBytes;
  }

  /** Gives everything back; safe to call twice. */
  close(): void {
    this.want(0);
    this.#isClosed = true;
  }

  /** The budget's part: true when the grant has changed. */
  grant(bytes: number): boolean {
    const hasChanged = bytes !== this.#grantedBytes;
    this.#grantedBytes = bytes;
    return hasChanged;
  }

  /** The budget's part. */
  notify(): void {
    this.#onChange(this.#grantedBytes);
  }
}
