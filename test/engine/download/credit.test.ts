import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { StallClock, type Watched } from '../../../src/base/stall-clock.ts';
import { KIB, MIB } from '../../../src/base/units.ts';
import type { RangePipeline } from '../../../src/engine/download/range-pipeline.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { mixedBytes, requestOf, sourceFile, startEngine } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';
import { CreditOutlet, SharedStream } from './credit-outlet.ts';

const scope = { after };
const file = sourceFile(scope, mixedBytes(2 * MIB, 100 * KIB));

interface Served {
  outlet: CreditOutlet;
  pipeline: RangePipeline;
  run: Promise<unknown>;
  /** What the whole range is. */
  bytes: Buffer;
}

/** Ranges of a quarter of the file over one stream, each with `grantedBytes` to begin with. */
function serve(engine: Engine, stream: SharedStream, count: number, grantedBytes: number): Served[] {
  return Array.from({ length: count }, (_, index) => {
    const outlet = new CreditOutlet(stream, grantedBytes);
    const [start, end] = [index * 10_000, index * 10_000 + 512 * KIB];
    const compression = index % 2 === 0 ? 'always' : 'never';
    const pipeline = engine.sendRange(requestOf(file, { start, end, compression }), outlet);
    const run = pipeline.run();
    run.catch(() => {});
    return { outlet, pipeline, run, bytes: file.bytes.subarray(start, end) };
  });
}

/** Nothing is under way and nobody waits for a turn: every slab is free. */
async function quiet(engine: Engine): Promise<void> {
  await until('no slab held and nobody waiting', () => {
    const { jobsOutstanding, jobsWaiting, slabs } = engine.stats();
    return jobsOutstanding === 0 && jobsWaiting === 0 && slabs.free === slabs.count;
  });
}

/** Resolves when the clock of a peer that never moves has seen it still for `stillMs`. */
async function stillFor(t: TestContext, stillMs: number): Promise<void> {
  let seenMs = 0;
  const peer: Watched = { movedBytes: 0, isHeldUp: false, still: (ms) => (seenMs = ms) };
  const clock = new StallClock(peer, stillMs);
  t.after(() => clock.close());
  await until('time', () => seenMs >= stillMs);
}

describe('ranges with credit over one stream', () => {
  it('are interleaved, each up to what its peer grants, and whole in the end', async (t) => {
    const engine = await startEngine(t);
    const stream = new SharedStream();
    const served = serve(engine, stream, 6, 10_000);
    // As a receiver does that keeps a bounded amount for each request: never a whole chunk, sometimes many.
    for (const [index, { outlet, bytes }] of served.entries()) {
      const took = outlet.took.bind(outlet);
      outlet.took = (run) => {
        const before = outlet.receivedBytes;
        took(run);
        const isDone = outlet.grantedBytes >= bytes.length;
        if (!isDone) outlet.grant((outlet.receivedBytes - before) * 2 + index);
      };
    }
    await Promise.all(served.map(({ run }) => run));
    for (const { outlet, bytes } of served) assert.ok(outlet.received.equals(bytes));
    const firsts = served.map(({ outlet }) => stream.taken.indexOf(outlet));
    const lasts = served.map(({ outlet }) => stream.taken.lastIndexOf(outlet));
    assert.ok(Math.max(...firsts) < Math.min(...lasts), 'all have begun before the first has ended');
    await quiet(engine);
  });

  it('hold no slab, have no turn and are no stall while they have no credit', async (t) => {
    const engine = await startEngine(t);
    const stream = new SharedStream();
    const clock = new StallClock(stream, 40);
    t.after(() => clock.close());
    const served = serve(engine, stream, 40, 70_000);
    await until('all credit used', () => served.every(({ outlet }) => outlet.receivedBytes === 70_000));
    await quiet(engine);
    stream.stillMs.length = 0;
    await stillFor(t, 200);
    await quiet(engine);
    assert.deepEqual(stream.stillMs, []);
    assert.equal(engine.stats().transfers, served.length);
    for (const { outlet } of served) outlet.grant(MIB);
    await Promise.all(served.map(({ run }) => run));
    for (const { outlet, bytes } of served) assert.ok(outlet.received.equals(bytes));
  });

  it('that have none at first begin with the first grant', async (t) => {
    const engine = await startEngine(t);
    const stream = new SharedStream();
    const [served] = serve(engine, stream, 1, 0) as [Served];
    await quiet(engine);
    assert.equal(stream.taken.length, 0);
    served.outlet.grant(1);
    await until('one byte', () => served.outlet.receivedBytes === 1);
    served.outlet.grant(MIB);
    await served.run;
    assert.ok(served.outlet.received.equals(served.bytes));
  });

  it('leave the threads to those that move', async (t) => {
    const engine = await startEngine(t);
    serve(engine, new SharedStream(), 10, 0);
    const stream = new SharedStream();
    const [moving] = serve(engine, stream, 1, MIB) as [Served];
    await until(
      'all threads for one stream',
      () => engine.jobs.threadsForOne(performance.now()) === engine.options.threads,
    );
    await moving.run;
  });

  it('end at once when they fail without credit', async (t) => {
    const engine = await startEngine(t);
    const [served] = serve(engine, new SharedStream(), 1, 5000) as [Served];
    await until('all credit used', () => served.outlet.receivedBytes === 5000);
    await quiet(engine);
    served.pipeline.fail(new TransferError('CANCELLED', 'the peer wants it no more'));
    await assert.rejects(served.run, { code: 'CANCELLED' });
    served.outlet.grant(MIB);
    await quiet(engine);
    assert.equal(engine.stats().transfers, 0);
  });
});
