import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { KIB, MIB } from '../../../src/base/units.ts';
import { mixedBytes, requestOf, sourceFile, startEngine } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';
import { MemoryOutlet } from './memory-outlet.ts';
import { MemoryReader } from './memory-reader.ts';

const scope = { after };
const bytes = mixedBytes(MIB, 100 * KIB);
const file = sourceFile(scope, bytes);
const engine = await startEngine(scope);
const allFree = engine.stats().slabs;

/** A transfer of all the bytes, whose first read is under way. */
async function begin(source = new MemoryReader(bytes, 'by hand')) {
  const outlet = new MemoryOutlet('next turn');
  const transfer = engine.sendRange(requestOf(file, { source }), outlet);
  const run = transfer.run();
  run.catch(() => {});
  await until('a read', () => source.pending.size > 0);
  return { source, outlet, transfer, run };
}

describe('a transfer from a store that reads itself', () => {
  it('sends what is read in order, however the reads end', async () => {
    const { source, outlet, run } = await begin();
    const answering = setInterval(() => {
      if (source.pending.size > 0) source.answer();
      source.answering = 'by hand';
    }, 0);
    await run.finally(() => clearInterval(answering));
    assert.ok(outlet.received.equals(bytes));
    assert.deepEqual(engine.stats().slabs, allFree);
  });

  it('has more reads under way than there may be jobs', async () => {
    const begun = await Promise.all(Array.from({ length: 8 }, () => begin()));
    assert.equal(engine.stats().jobsOutstanding, 0);
    assert.ok(begun.every(({ source }) => source.pending.size > 0));
    for (const { source } of begun) source.answer();
    for (const { outlet, run } of begun) {
      await run;
      assert.ok(outlet.received.equals(bytes));
    }
  });

  it('ends with FILE_CHANGED where the file is shorter than it was', async () => {
    const { source, run } = await begin();
    source.bytes = bytes.subarray(0, 1000);
    source.answer();
    await assert.rejects(run, { code: 'FILE_CHANGED' });
    assert.deepEqual(engine.stats().slabs, allFree);
  });

  it('ends with what the store says of a read that fails', async () => {
    const { source, run } = await begin();
    const error = new TransferError('DATA_LOSS', 'the object is gone; restore it');
    source.failure = error;
    source.answer();
    await assert.rejects(run, error);
    assert.deepEqual(engine.stats().slabs, allFree);
  });

  it('that is cancelled ends its reads', async () => {
    const { source, transfer, run } = await begin();
    const error = new TransferError('CANCELLED', 'changed my mind');
    transfer.fail(error);
    await assert.rejects(run, error);
    assert.equal(source.pending.size, 0);
    await until('all slabs free', () => engine.stats().slabs.free === allFree.free);
  });

  it('does not wait for a read that never ends, whose slab nobody gets until it does', async () => {
    const { source, transfer, run } = await begin();
    source.isDeaf = true;
    const error = new TransferError('CANCELLED', 'changed my mind');
    transfer.fail(error);
    await assert.rejects(run, error);
    assert.equal(engine.stats().transfers, 0);
    const quarantined = source.pending.size;
    const held = { ...allFree, free: allFree.count - quarantined, quarantined };
    assert.deepEqual(engine.stats().slabs, held);
    const outlet = new MemoryOutlet('next turn');
    await engine.sendRange(requestOf(file), outlet).run();
    assert.ok(outlet.received.equals(bytes));
    assert.deepEqual(engine.stats().slabs, held);
    source.answer();
    await until('all slabs free', () => engine.stats().slabs.free === allFree.free);
  });

  it('reads again what was given back to a peer that hesitates', async () => {
    const source = new MemoryReader(bytes);
    const outlet = new MemoryOutlet('next turn');
    const transfer = engine.sendRange(requestOf(file, { source }), outlet);
    const run = transfer.run();
    await until('some of it', () => outlet.wireBytes > 100 * KIB);
    source.answering = 'by hand';
    await until('a read', () => source.pending.size > 0);
    // The read that is given back ends behind the one that takes its place.
    source.isDeaf = true;
    const given = source.pending.size;
    transfer.giveBack();
    engine.jobs.dispatch();
    await until('another read', () => source.pending.size > given);
    source.answer();
    await run;
    assert.ok(outlet.received.equals(bytes));
    await until('all slabs free', () => engine.stats().slabs.free === allFree.free);
  });

  it('loses no byte when a worker dies', async (t) => {
    const slow = await startEngine(t, { threads: 1, slabBytes: 2 * MIB, firstMessageBytes: 2 * MIB });
    const text = mixedBytes(8 * MIB, 300 * KIB);
    const outlet = new MemoryOutlet('next turn');
    const wishes = { source: new MemoryReader(text), end: text.length, chunkBytes: 64 * KIB };
    const run = slow.sendRange(requestOf(file, { ...wishes, compression: 'always' }), outlet).run();
    const slabs = Array.from({ length: slow.pool.count }, (_, slab) => slab);
    await until('a thread at work', () => slabs.some((slab) => slow.pool.threadIn(slab) !== 0));
    await slow.workers.killThread();
    await run;
    assert.ok(outlet.received.equals(text));
    await until('all slabs free', () => slow.stats().slabs.free === slow.pool.count);
  });
});
