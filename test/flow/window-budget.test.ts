import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LEAST_WINDOW_BYTES } from '../../src/base/limits.ts';
import { MIB } from '../../src/base/units.ts';
import { type BudgetShare, WindowBudget } from '../../src/flow/window-budget.ts';

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
    assert.equal(b.share.want(30 * MIB), 30 * MIB);
    assert.deepEqual(a.told, [70 * MIB]);
    assert.equal(b.share.want(80 * MIB), 50 * MIB);
    assert.equal(a.share.grantedBytes, 50 * MIB);
  });

  it('gives back what a connection that closes leaves', () => {
    const budget = new WindowBudget(100 * MIB);
    const [a, b] = [open(budget), open(budget)];
    a.share.want(100 * MIB);
    b.share.want(100 * MIB);
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
    for (const share of shares) assert.equal(share.grantedBytes, LEAST_WINDOW_BYTES);
  });

  it('keeps its sum, wastes nothing and prefers nobody, whatever is asked for', () => {
    const wish = fc.record({ who: fc.nat(9), bytes: fc.integer({ min: LEAST_WINDOW_BYTES, max: 64 * MIB }) });
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 60 }), (wishes) => {
        const budget = new WindowBudget(100 * MIB);
        const shares = Array.from({ length: 10 }, () => {
          const seen = { granted: 0 };
          const share = budget.open((bytes) => {
            seen.granted = bytes;
          });
          return { share, seen };
        });
        for (const { who, bytes } of wishes) {
          const { share, seen } = shares[who] as (typeof shares)[number];
          seen.granted = share.want(bytes);
        }
        const wanted = shares.reduce((sum, { share }) => sum + share.wantedBytes, 0);
        assert.ok(budget.grantedBytes <= budget.totalBytes);
        assert.ok(budget.grantedBytes >= Math.min(wanted, budget.totalBytes) - shares.length);
        const most = Math.max(...shares.map(({ share }) => share.grantedBytes));
        for (const { share, seen } of shares) {
          assert.equal(seen.granted, share.grantedBytes);
          // Who has less than another has got all it wanted.
          if (share.grantedBytes < most - 1) assert.equal(share.grantedBytes, share.wantedBytes);
        }
      }),
    );
  });
});
