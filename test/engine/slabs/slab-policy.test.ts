import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SlabPolicy } from '../../../src/engine/slabs/slab-policy.ts';

const NEWCOMER = 0;
const PROVEN = 2 ** 50;

function askFor(drainedBytes: number, readsAhead = false): (policy: SlabPolicy) => void {
  return (policy) => {
    if (policy.mayHold(drainedBytes, readsAhead)) policy.took();
  };
}

function returnOne(policy: SlabPolicy): void {
  if (policy.held > 0) policy.returned(0);
}

const ask = fc.constantFrom(askFor(NEWCOMER), askFor(PROVEN), askFor(PROVEN, true), returnOne);

/** How many slabs a crowd of streams that have drained so much can hold in all. */
function holdAll(policy: SlabPolicy, drainedBytes: number, readsAhead = false): number {
  while (policy.mayHold(drainedBytes, readsAhead)) policy.took();
  return policy.held;
}

const sizes = fc
  .record({ outstanding: fc.integer({ min: 1, max: 64 }), beside: fc.integer({ min: 2, max: 500 }) })
  .map(({ outstanding, beside }) => ({ outstanding, count: outstanding + beside }));

describe('the slab policy', () => {
  it('keeps the reserve free of slabs that wait for a peer, whoever asks in whatever order', () => {
    fc.assert(
      fc.property(sizes, fc.array(ask, { maxLength: 600, size: 'max' }), ({ outstanding, count }, asks) => {
        const policy = new SlabPolicy(count, outstanding);
        for (const ask of asks) {
          ask(policy);
          assert.ok(count - policy.held >= outstanding);
        }
      }),
    );
  });

  it('lets newcomers hold half of what is not reserved, and at least one', () => {
    fc.assert(
      fc.property(sizes, ({ outstanding, count }) => {
        const held = holdAll(new SlabPolicy(count, outstanding), NEWCOMER);
        assert.ok(held >= 1);
        assert.ok(held <= Math.max(1, (count - outstanding) / 2));
      }),
    );
  });

  it('lets nobody read ahead on more than half of what they may hold', () => {
    fc.assert(
      fc.property(sizes, fc.constantFrom(NEWCOMER, PROVEN), ({ outstanding, count }, drainedBytes) => {
        const ahead = holdAll(new SlabPolicy(count, outstanding), drainedBytes, true);
        const all = holdAll(new SlabPolicy(count, outstanding), drainedBytes);
        assert.equal(ahead, Math.ceil(all / 2));
      }),
    );
  });

  it('leaves peers that have proven to read all the rest', () => {
    fc.assert(
      fc.property(sizes, ({ outstanding, count }) => {
        const policy = new SlabPolicy(count, outstanding);
        holdAll(policy, NEWCOMER);
        assert.equal(holdAll(policy, PROVEN), count - outstanding);
      }),
    );
  });

  it('lets one more in for each slab that comes back', () => {
    const policy = new SlabPolicy(20, 3);
    holdAll(policy, NEWCOMER);
    policy.returned(0);
    assert.ok(policy.mayHold(NEWCOMER, false));
    policy.took();
    assert.ok(!policy.mayHold(NEWCOMER, false));
  });

  it('says to wait while slabs come back and to copy when they do not', () => {
    const policy = new SlabPolicy(20, 3);
    policy.took();
    policy.returned(5_000);
    assert.ok(policy.shouldWait(5_001));
    assert.ok(!policy.shouldWait(65_000));
  });

  it('says to wait while a store reads into most of what is held, however long that takes', () => {
    const policy = new SlabPolicy(20, 3);
    for (let held = 0; held < 4; held += 1) policy.took();
    for (let reading = 0; reading < 3; reading += 1) policy.readBegan();
    assert.ok(policy.shouldWait(65_000));
    policy.readEnded();
    assert.ok(!policy.shouldWait(65_000));
  });
});
