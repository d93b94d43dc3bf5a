import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { KIB, MIB } from '../../../src/base/units.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { mixedBytes, requestOf, sourceFile, startEngine } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';
import { MemoryOutlet } from './memory-outlet.ts';
import { beginRange, readsBesideStalled } from './stalled-peers.ts';

const scope = { after };
const file = sourceFile(scope, mixedBytes(2 * MIB, 100 * KIB));

/** Lets the peer read until slabs are on their way to it and prefetched behind, then stop. */
async function stopsReading(engine: Engine, outlet: MemoryOutlet): Promise<void> {
  await until('a write from a slab, and prefetched ones', () => {
    const { slabs, jobsOutstanding } = engine.stats();
    if (outlet.pending === undefined || jobsOutstanding > 0) return false;
    if (slabs.sending > 0 && slabs.leased > 0) return true;
    // Nothing is read ahead yet, or no more, where this has taken long.
    outlet.drain();
    return false;
  });
}

/** As a stream that wants slabs does, once the peer of another one hesitates. */
function reclaim(engine: Engine): void {
  engine.slabs.reclaim(performance.now() + 10_000);
}

describe('a peer that never reads', () => {
  it('holds a small copy and no slab', async (t) => {
    const engine = await startEngine(t);
    const outlet = beginRange(engine, file);
    await until('the first write', () => outlet.pending !== undefined);
    assert.ok(outlet.pending?.buffer instanceof ArrayBuffer);
    assert.ok(outlet.pending.length <= engine.options.firstMessageBytes + 4 * KIB);
    const { slabs, jobsOutstanding, jobsWaiting } = engine.stats();
    assert.deepEqual(
      { free: slabs.free, jobsOutstanding, jobsWaiting },
      { free: slabs.count, jobsOutstanding: 0, jobsWaiting: 0 },
    );
  });

  it('does not keep others from reading, however many there are of it', async (t) => {
    const engine = await startEngine(t);
    await readsBesideStalled(engine, file);
  });
});

describe('a peer that stops reading', () => {
  it('is sent no more than the outstanding write', async (t) => {
    const engine = await startEngine(t);
    const outlet = beginRange(engine, file);
    await stopsReading(engine, outlet);
    const { slabs } = engine.stats();
    assert.equal(slabs.sending, 1);
    assert.ok(slabs.leased + slabs.sending <= 1 + engine.options.jobsInFlight);
  });

  it('keeps only the slab of the outstanding write when others want slabs', async (t) => {
    const engine = await startEngine(t);
    const outlet = beginRange(engine, file);
    await stopsReading(engine, outlet);
    reclaim(engine);
    const { count } = engine.pool;
    assert.deepEqual(engine.stats().slabs, { free: count - 1, leased: 0, sending: 1, quarantined: 0, count });
  });

  it('loses its prefetched slabs by itself after a while', async (t) => {
    const engine = await startEngine(t);
    const outlet = beginRange(engine, file);
    await stopsReading(engine, outlet);
    await until('prefetched slabs given back', () => engine.stats().slabs.leased === 0);
    assert.equal(engine.stats().slabs.sending, 1);
  });

  it('gets the right bytes when it goes on, read again where they were given back', async (t) => {
    const engine = await startEngine(t);
    for (const compression of ['never', 'always'] as const) {
      const outlet = new MemoryOutlet('by hand');
      const run = engine.sendRange(requestOf(file, { compression }), outlet).run();
      for (let stop = 0; stop < 3; stop++) {
        await stopsReading(engine, outlet);
        reclaim(engine);
        // While a slab may be on its way, others work in the ones that came back.
        await engine.sendRange(requestOf(file, { start: 500 * KIB }), new MemoryOutlet('at once')).run();
        outlet.drain();
      }
      outlet.drainAll();
      const totals = await run;
      assert.ok(outlet.received.equals(file.bytes));
      assert.equal(totals.rawBytes, file.bytes.length);
    }
  });

  it('gets the right bytes when slabs are given back while jobs still work in them', async (t) => {
    const engine = await startEngine(t);
    const outlet = new MemoryOutlet('by hand');
    const transfer = engine.sendRange(requestOf(file, { compression: 'always' }), outlet);
    const run = transfer.run();
    let givenBack = 0;
    await until('twenty jobs given back', () => {
      if (engine.stats().jobsOutstanding > 0) {
        transfer.giveBack();
        givenBack += 1;
      }
      if (outlet.pending !== undefined) outlet.drain();
      return givenBack >= 20;
    });
    outlet.drainAll();
    await run;
    assert.ok(outlet.received.equals(file.bytes));
    await until('all slabs free', () => engine.stats().slabs.free === engine.pool.count);
  });
});
