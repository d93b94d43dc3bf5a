/** What a slab costs the event loop: a lease and its release, and the view that is sent. */
import { bench, do_not_optimize, group } from 'mitata';
import { KIB, MIB } from '../../src/base/units.ts';
import { type Lease, SlabPool } from '../../src/engine/slabs/slab-pool.ts';

const SLABS = 48;

export function benchSlabs(): void {
  const pool = new SlabPool(MIB, SLABS);
  group('slab', () => {
    bench('lease, release', () => lease(pool).release());
    bench('lease, view of 256 KiB, sending, release', () => {
      const slab = lease(pool);
      do_not_optimize(slab.bytes(256 * KIB));
      slab.markSending();
      slab.release();
    });
  });
}

function lease(pool: SlabPool): Lease {
  const slab = pool.lease();
  if (slab === undefined) throw new Error('the pool is empty');
  return slab;
}
