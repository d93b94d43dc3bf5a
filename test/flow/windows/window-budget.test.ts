import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MIN_WINDOW_BYTES } from '../../../src/base/limits.ts';
import { MIB } from '../../../src/base/units.ts';
import { type BudgetShare, WindowBudget } from '../../../src/flow/windows/window-budget.ts';

/** A share and what it was told of changes that others made. */
function open(budget: WindowBudget): { share: BudgetShare; told: number[] } {
  const told: number[] = [];
  return { share: budget.open((bytes) => told.push(bytes)), told };
}

describe('the budget of windows', () => {
  it('grants every wish while there is enough', () => {
    const budget = new WindowBudget(100 * MIB);
    const [a, b] = [open(budget), open(budget)];
    assert.equal(a.share.want(60 * MIB), 60 * MIB);
    assert.equal(b.share.want(40 * MIB), 40 * MIB);
    assert.deepEqual([a.told, b.told], [[], []]);
  });

  it('takes from the largest when another asks, and tells it', () => {
    const budget = new WindowBudget(100 * MIB);
    const [a, b] = [open(budget), open(budget)];
    a.share.want(100 * MIB);
    b.share.want(30 * MIB);
    assert.deepEqual(a.told, [70 * MIB]);
    a.share.holds(0);
    assert.equal(b.share.grantedBytes, 30 * MIB);
    b.share.want(80 * MIB);
    a.share.holds(0);
    assert.deepEqual([a.share.grantedBytes, b.share.grantedBytes], [50 * MIB, 50 * MIB]);
  });

  it('gives on what was cut only when its owner says that it is free, and as far as it is', () => {
    const budget = new WindowBudget(100 * MIB);
    const [a, b] = [open(budget), open(budget)];
    a.share.want(100 * MIB);
    assert.equal(b.share.want(100 * MIB), MIN_WINDOW_BYTES);
    assert.equal(a.share.grantedBytes, 50 * MIB);
    assert.ok(a.share.isHolding);
    a.share.holds(80 * MIB);
    assert.deepEqual([b.share.grantedBytes, b.told], [20 * MIB, [20 * MIB]]);
    a.share.holds(30 * MIB);
    assert.deepEqual([b.share.grantedBytes, b.told], [50 * MIB, [20 * MIB, 50 * MIB]]);
    assert.ok(!a.share.isHolding);
    assert.equal(budget.occupiedBytes, 100 * MIB);
  });

  it('frees at once what a connection held that closes', () => {
    const budget = new WindowBudget(100 * MIB);
    const [a, b] = [open(budget), open(budget)];
    a.share.want(100 * MIB);
    b.share.want(100 * MIB);
    a.share.close();
    assert.deepEqual(b.told, [100 * MIB]);
    assert.equal(budget.occupiedBytes, 100 * MIB);
  });

  it('gives back what a connection that closes leaves', () => {
    const budget = new WindowBudget(100 * MIB);
    const [a, b] = [open(budget), open(budget)];
    a.share.want(100 * MIB);
    b.share.want(100 * MIB);
    a.share.holds(0);
    b.share.close();
    b.share.close();
    assert.deepEqual(a.told, [50 * MIB, 100 * MIB]);
    assert.equal(b.share.want(MIB), 0);
    assert.equal(budget.grantedBytes, 100 * MIB);
  });

  it('leaves everyone the least window of HTTP/2 when there are too many', () => {
    const budget = new WindowBudget(MIB);
    const shares = Array.from({ length: 100 }, () => open(budget).share);
    for (const share of shares) share.want(8 * MIB);
    for (const share of shares) assert.equal(share.grantedBytes, MIN_WINDOW_BYTES);
  });

  it('keeps its sum, wastes nothing and prefers nobody, whatever is asked for', () => {
    const wish = fc.record({ who: fc.nat(9), bytes: fc.integer({ min: MIN_WINDOW_BYTES, max: 64 * MIB }) });
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 60 }), fc.boolean(), (wishes, isKept) => {
        const budget = new WindowBudget(100 * MIB);
        const owners = Array.from({ length: 10 }, () => new Owner(budget));
        for (const { who, bytes } of wishes) {
          owners[who]?.want(bytes);
          assert.ok(budget.occupiedBytes <= budget.totalBytes + owners.length * MIN_WINDOW_BYTES);
          if (!isKept) letGo(owners);
        }
        letGo(owners);
        assertFair(budget, owners);
      }),
    );
  });
});

class Owner {
  readonly share: BudgetShare;
  /** What it knows of its grant. */
  knownBytes = 0;

  constructor(budget: WindowBudget) {
    this.share = budget.open((bytes) => {
      this.knownBytes = bytes;
    });
  }

  want(bytes: number): void {
    this.share.want(bytes);
    this.knownBytes = this.share.grantedBytes;
  }
}

function letGo(owners: readonly Owner[]): void {
  for (const { share } of owners) share.holds(0);
}

function assertFair(budget: WindowBudget, owners: readonly Owner[]): void {
  const wantedBytes = owners.reduce((sum, { share }) => sum + share.wantedBytes, 0);
  assert.ok(budget.grantedBytes <= budget.totalBytes);
  assert.ok(budget.grantedBytes >= Math.min(wantedBytes, budget.totalBytes) - owners.length);
  const most = Math.max(...owners.map(({ share }) => share.grantedBytes));
  for (const { share, knownBytes } of owners) {
    assert.equal(knownBytes, share.grantedBytes);
    // Who has less than another has got all it wanted.
    if (share.grantedBytes < most - 1) assert.equal(share.grantedBytes, share.wantedBytes);
  }
}
