import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SLAB_HEADROOM_BYTES } from '../../../src/base/limits.ts';
import { type Lease, type Ledger, SlabPool } from '../../../src/engine/slabs/slab-pool.ts';

function leaseOf(pool: SlabPool): Lease {
  const lease = pool.lease();
  assert.ok(lease);
  return lease;
}

interface Quarantined {
  prove(): void;
  released: Promise<void>;
}

function quarantined(lease: Lease): Quarantined {
  let prove: () => void = () => {};
  const untouched = new Promise<void>((resolve) => (prove = resolve));
  return { prove, released: lease.quarantine(untouched) };
}

/** What the ledger must say, counted by the test. */
class Model {
  readonly leased: Lease[] = [];
  readonly sending: Lease[] = [];
  readonly quarantined: Quarantined[] = [];
  readonly pool: SlabPool;

  constructor(pool: SlabPool) {
    this.pool = pool;
  }

  ledger(): Ledger {
    const [leased, sending, quarantined] = [this.leased.length, this.sending.length, this.quarantined.length];
    const { count } = this.pool;
    return { free: count - leased - sending - quarantined, leased, sending, quarantined, count };
  }

  async apply(operation: string, pick: number): Promise<void> {
    const busy = operation.endsWith('leased') ? this.leased : this.sending;
    if (operation === 'lease') this.#lease();
    else if (operation === 'prove') await this.#prove(pick);
    else if (busy.length > 0) this.#finish(operation, busy.splice(pick % busy.length, 1)[0] as Lease);
  }

  #lease(): void {
    const isFree = this.ledger().free > 0;
    const lease = this.pool.lease();
    assert.equal(lease !== undefined, isFree);
    if (lease !== undefined) this.leased.push(lease);
  }

  async #prove(pick: number): Promise<void> {
    if (this.quarantined.length === 0) return;
    const [slab] = this.quarantined.splice(pick % this.quarantined.length, 1);
    slab?.prove();
    await slab?.released;
  }

  #finish(operation: string, lease: Lease): void {
    if (operation.startsWith('release')) lease.release();
    else if (operation.startsWith('quarantine')) this.quarantined.push(quarantined(lease));
    else {
      lease.markSending();
      this.sending.push(lease);
    }
  }
}

const operation = fc.constantFrom(
  'lease',
  'lease',
  'send leased',
  'release leased',
  'release sending',
  'quarantine leased',
  'quarantine sending',
  'prove',
);

describe('the slab pool', () => {
  it('has a ledger that agrees with any history of leases and always sums to the count', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.tuple(operation, fc.nat(5)), { maxLength: 60, size: 'max' }),
        async (count, history) => {
          const model = new Model(new SlabPool(16, count));
          for (const [operation, pick] of history) {
            await model.apply(operation, pick);
            const ledger = model.pool.ledger();
            assert.deepEqual(ledger, model.ledger());
            assert.equal(ledger.free, model.pool.freeCount);
            assert.equal(ledger.free + ledger.leased + ledger.sending + ledger.quarantined, count);
            const held = [...model.leased, ...model.sending].map((lease) => lease.slab);
            assert.equal(new Set(held).size, held.length, 'no slab is leased twice');
          }
        },
      ),
    );
  });

  it('gives out its slabs until there is none left', () => {
    const pool = new SlabPool(16, 3);
    const slabs = [leaseOf(pool), leaseOf(pool), leaseOf(pool)].map((lease) => lease.slab);
    assert.deepEqual(
      slabs.toSorted((a, b) => a - b),
      [0, 1, 2],
    );
    assert.equal(pool.lease(), undefined);
  });

  it('gives out the slab that came back last, whose pages are warm', () => {
    const pool = new SlabPool(16, 3);
    const [first, second] = [leaseOf(pool), leaseOf(pool)];
    second.release();
    first.release();
    assert.equal(leaseOf(pool).slab, first.slab);
  });

  it('has room for the headers in each slab, and slabs do not overlap', () => {
    const pool = new SlabPool(100, 3);
    const leases = [leaseOf(pool), leaseOf(pool), leaseOf(pool)];
    for (const lease of leases) lease.bytes(100 + SLAB_HEADROOM_BYTES).fill(lease.slab + 1);
    for (const lease of leases) {
      assert.ok(lease.bytes(pool.strideBytes).every((byte) => byte === lease.slab + 1));
    }
    assert.equal(pool.memory.byteLength, 3 * (100 + SLAB_HEADROOM_BYTES));
  });

  it('forgets, with a new lease, that the last job in the slab was cancelled', () => {
    const pool = new SlabPool(16, 1);
    const first = leaseOf(pool);
    pool.cancelJob(first.slab);
    first.release();
    leaseOf(pool);
    assert.deepEqual(new Int32Array(pool.control), new Int32Array(2));
  });
});

describe('a lease', () => {
  const usesOfReleased: [string, (lease: Lease) => unknown][] = [
    ['its bytes', (lease) => lease.bytes(1)],
    ['a second release', (lease) => lease.release()],
    ['marking it as sending', (lease) => lease.markSending()],
    ['a quarantine', (lease) => lease.quarantine(Promise.resolve())],
  ];
  for (const [use, run] of usesOfReleased) {
    it(`that was released refuses ${use}`, () => {
      const pool = new SlabPool(16, 2);
      const lease = leaseOf(pool);
      lease.release();
      const before = pool.ledger();
      assert.throws(() => run(lease), { message: 'a released lease was used again' });
      assert.deepEqual(pool.ledger(), before);
    });
  }

  it('in quarantine comes back only after the proof that its slab is untouched', async () => {
    const pool = new SlabPool(16, 1);
    const lease = leaseOf(pool);
    lease.markSending();
    const { prove, released } = quarantined(lease);
    assert.equal(lease.state, 'quarantined');
    assert.equal(pool.lease(), undefined);
    prove();
    await released;
    assert.equal(lease.state, 'released');
    assert.ok(pool.lease());
  });

  it('in quarantine stays there when no proof can be had', async () => {
    const pool = new SlabPool(16, 1);
    await assert.rejects(leaseOf(pool).quarantine(Promise.reject(new Error('nobody knows'))), /nobody knows/);
    assert.deepEqual(pool.ledger(), { free: 0, leased: 0, sending: 0, quarantined: 1, count: 1 });
  });
});
