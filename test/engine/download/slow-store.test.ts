import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import { KIB, MIB } from '../../../src/base/units.ts';
import type { RangePipeline } from '../../../src/engine/download/range-pipeline.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { mixedBytes, requestOf, sourceFile, startEngine } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';
import { MemoryOutlet } from './memory-outlet.ts';
import { readsBesideStalled } from './stalled-peers.ts';

const scope = { after };
const file = sourceFile(scope, mixedBytes(2 * MIB, 100 * KIB));

const FIRST_BYTES = 4 * KIB;
const HEADERS_BYTES = 4 * KIB;

/** Longer than a write that is drained at once. */
const NOT_AT_ONCE_MS = 100;

/** An engine that has found its store to be slow, with slabs enough for every wish. */
async function startSlowEngine(t: TestContext): Promise<Engine> {
  const engine = await startEngine(t, { slabCount: 40, firstMessageBytes: FIRST_BYTES });
  learnSlowReads(engine);
  return engine;
}

/** That the file of the test is read fast must not change it. */
function learnSlowReads(engine: Engine): void {
  engine.jobs.observeRead(1e9);
}

interface Begun {
  transfer: RangePipeline;
  run: Promise<unknown>;
  outlet: MemoryOutlet;
}

/** A transfer whose peer has been sent the first piece and has not taken it. */
async function begin(engine: Engine): Promise<Begun> {
  const outlet = new MemoryOutlet('by hand');
  const transfer = engine.sendRange(requestOf(file, { chunkBytes: 64 * KIB }), outlet);
  const run = transfer.run();
  run.catch(() => {});
  await until('the first write', () => outlet.pending !== undefined);
  await until('all reads', () => engine.stats().jobsOutstanding === 0);
  return { transfer, run, outlet };
}

describe('a transfer from a slow store', () => {
  it('has all its reads under way before the peer has shown anything', async (t) => {
    const engine = await startSlowEngine(t);
    const { outlet } = await begin(engine);
    assert.ok((outlet.pending?.length ?? 0) <= FIRST_BYTES + HEADERS_BYTES);
    assert.equal(engine.stats().slabs.leased, engine.options.jobsInFlight);
  });

  it('sends the peer no more than twice what it has taken at once', async (t) => {
    const engine = await startSlowEngine(t);
    // Time stands still, so that no write takes any, however busy the machine is.
    t.mock.method(performance, 'now', new FakeClock().nowMs);
    const outlet = new MemoryOutlet('at once');
    const sizes: number[] = [];
    const write = outlet.write.bind(outlet);
    outlet.write = (run, done) => {
      sizes.push(run.length);
      write(run, done);
    };
    await engine.sendRange(requestOf(file, { chunkBytes: 64 * KIB }), outlet).run();
    assert.ok(sizes.every((bytes, index) => bytes <= 2 * (sizes[index - 1] ?? FIRST_BYTES) + HEADERS_BYTES));
    assert.ok(Math.max(...sizes) > 64 * KIB, sizes.join());
    assert.ok(outlet.received.equals(file.bytes));
  });

  it('gives back what was read too early for a peer that takes the first piece slowly', async (t) => {
    const engine = await startSlowEngine(t);
    const { run, outlet } = await begin(engine);
    const nowMs = performance.now.bind(performance);
    t.mock.method(performance, 'now', () => nowMs() + NOT_AT_ONCE_MS);
    outlet.drain();
    await until('the second write', () => outlet.pending !== undefined);
    assert.ok((outlet.pending?.length ?? 0) <= FIRST_BYTES + HEADERS_BYTES);
    assert.ok(outlet.pending?.buffer instanceof ArrayBuffer, 'a copy');
    assert.equal(engine.stats().slabs.free, engine.pool.count);
    outlet.drainAll();
    await run;
    assert.ok(outlet.received.equals(file.bytes));
  });

  it('reads nothing early again for a peer that had it given back', async (t) => {
    const engine = await startSlowEngine(t);
    const { run, outlet, transfer } = await begin(engine);
    transfer.giveBack();
    engine.jobs.dispatch();
    assert.deepEqual([engine.stats().slabs.free, engine.stats().jobsWaiting], [engine.pool.count, 0]);
    outlet.drainAll();
    await run;
    assert.ok(outlet.received.equals(file.bytes));
  });

  it('holds a small copy and no slab for a peer that never reads, after a while', async (t) => {
    const engine = await startSlowEngine(t);
    await begin(engine);
    await until('all slabs back', () => engine.stats().slabs.free === engine.pool.count);
  });

  it('leaves a peer that reads enough slabs, however many never do', async (t) => {
    const engine = await startEngine(t, { firstMessageBytes: FIRST_BYTES });
    learnSlowReads(engine);
    await readsBesideStalled(engine, file);
  });
});
