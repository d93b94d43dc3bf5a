import assert from 'node:assert/strict';
import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { TransferError } from '../../../src/base/errors.ts';
import { KIB, MIB } from '../../../src/base/units.ts';
import type { RangePipeline } from '../../../src/engine/download/range-pipeline.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { mixedBytes, requestOf, sourceFile, startEngine, textBytes } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';
import { MemoryOutlet } from './memory-outlet.ts';

const scope = { after };
const file = sourceFile(scope, mixedBytes(MIB, 100 * KIB));
const engine = await startEngine(scope);
const allFree = engine.stats().slabs;

/** Collects how often and with what a run ends. */
function outcomesOf(run: Promise<unknown>): unknown[] {
  const outcomes: unknown[] = [];
  run.then(
    (totals) => outcomes.push(totals),
    (reason) => outcomes.push(reason),
  );
  return outcomes;
}

/** How many jobs were under way at the moment the run ended. */
async function jobsAtEnd(run: Promise<unknown>): Promise<number> {
  await run.catch(() => {});
  return engine.stats().jobsOutstanding;
}

interface Scene {
  transfer: RangePipeline;
  outlet: MemoryOutlet;
  /** Filled once the run has ended. */
  outcomes: unknown[];
  jobsAtEnd: Promise<number>;
}

function scene(): Scene {
  const outlet = new MemoryOutlet('by hand', false);
  const transfer = engine.sendRange(requestOf(file, { compression: 'always' }), outlet);
  const run = transfer.run();
  return { transfer, outlet, outcomes: outcomesOf(run), jobsAtEnd: jobsAtEnd(run) };
}

/** A write from a slab is outstanding, and more slabs are ready behind it. */
async function sendingScene(): Promise<Scene> {
  const started = scene();
  const { outlet } = started;
  await until('a write from a slab with more behind it', () => {
    const { slabs, jobsOutstanding } = engine.stats();
    if (outlet.pending === undefined || jobsOutstanding > 0) return false;
    if (slabs.sending === 1 && slabs.leased > 0) return true;
    // Nothing is read ahead yet, or no more, where this has taken long.
    outlet.drain();
    return false;
  });
  return started;
}

const states: [string, () => Promise<Scene>][] = [
  ['while its first job runs', async () => scene()],
  [
    'while its first write, a copy, is outstanding',
    async () => {
      const started = scene();
      await until('the first write', () => started.outlet.pending !== undefined);
      return started;
    },
  ],
  [
    'while jobs run behind a write',
    async () => {
      const started = await sendingScene();
      started.outlet.drain();
      await until(
        'a job behind a write',
        () => engine.stats().jobsOutstanding > 0 && started.outlet.pending !== undefined,
      );
      return started;
    },
  ],
  ['while a slab is being sent and others are ready', sendingScene],
];

describe('a transfer that is failed', () => {
  it('before its run rejects the run, and nobody else', async () => {
    const outlet = new MemoryOutlet('by hand');
    const transfer = engine.sendRange(requestOf(file), outlet);
    const error = new TransferError('CANCELLED', 'changed my mind');
    transfer.fail(error);
    await setImmediate();
    await assert.rejects(transfer.run(), error);
    assert.equal(outlet.pending, undefined);
    assert.equal(engine.stats().transfers, 0);
    assert.deepEqual(engine.stats().slabs, allFree);
  });

  for (const [state, reach] of states) {
    it(`${state} rejects once, with the first error, and all slabs come back`, async () => {
      const { transfer, outlet, outcomes, jobsAtEnd } = await reach();
      const error = new TransferError('CANCELLED', 'the client ended the call');
      transfer.fail(error);
      transfer.fail(new TransferError('STALLED', 'too late'));
      await until('the run has ended', () => outcomes.length > 0);
      assert.equal(await jobsAtEnd, 0, 'no job uses the descriptor any more');
      const { slabs } = engine.stats();
      assert.equal(slabs.leased + slabs.sending, 0);
      outlet.proveUntouched();
      await until('all slabs free', () => engine.stats().slabs.free === allFree.free);
      assert.deepEqual(outcomes, [error]);
      assert.equal(engine.stats().transfers, 0);
    });
  }

  it('keeps the slab that was being sent until the proof that it is untouched', async () => {
    const { transfer, outlet, outcomes } = await sendingScene();
    transfer.fail(new TransferError('CANCELLED', 'the client ended the call'));
    await until('the run has ended', () => outcomes.length > 0);
    await engine.sendRange(requestOf(file), new MemoryOutlet('next turn')).run();
    assert.deepEqual(engine.stats().slabs, { ...allFree, free: allFree.count - 1, quarantined: 1 });
    outlet.proveUntouched();
    await until('all slabs free', () => engine.stats().slabs.free === allFree.free);
  });

  it('takes no harm from a write that is drained after all', async () => {
    const { transfer, outlet, outcomes } = await sendingScene();
    const error = new TransferError('CANCELLED', 'the client ended the call');
    transfer.fail(error);
    outlet.drain();
    outlet.proveUntouched();
    await until('all slabs free', () => engine.stats().slabs.free === allFree.free);
    assert.deepEqual(outcomes, [error]);
  });

  it('after its end has ended well', async () => {
    const transfer = engine.sendRange(requestOf(file), new MemoryOutlet('next turn'));
    const totals = await transfer.run();
    transfer.fail(new TransferError('CANCELLED', 'too late'));
    assert.equal(await transfer.run(), totals);
  });
});

describe('a file', () => {
  it('that gets shorter under the transfer ends it with FILE_CHANGED', async (t) => {
    const shrinking = sourceFile(t, textBytes(400 * KIB));
    for (const compression of ['never', 'auto', 'always'] as const) {
      writeFileSync(shrinking.path, shrinking.bytes);
      const outlet = new MemoryOutlet('by hand');
      const run = engine.sendRange(requestOf(shrinking, { compression }), outlet).run();
      const failure = assert.rejects(run, { code: 'FILE_CHANGED' });
      await until('the first write', () => outlet.pending !== undefined);
      truncateSync(shrinking.path, 10 * KIB);
      outlet.drainAll();
      await failure;
      assert.ok(shrinking.bytes.subarray(0, 10 * KIB).includes(outlet.received));
    }
    assert.deepEqual(engine.stats().slabs, allFree);
  });

  const unreadable: [string, (path: string) => number][] = [
    ['whose descriptor is not open for reading', (path) => openSync(path, 'a')],
    ['that is a directory', () => openSync('/', 'r')],
  ];
  for (const [what, open] of unreadable) {
    it(`${what} ends the transfer with what the store says of that`, async (t) => {
      const { path, bytes } = sourceFile(t, textBytes(100 * KIB));
      const fd = open(path);
      t.after(() => closeSync(fd));
      const run = engine.sendRange(requestOf({ path, fd, bytes }), new MemoryOutlet('next turn')).run();
      await assert.rejects(run, { code: 'DATA_LOSS', message: /^no bytes: E[A-Z]+$/ });
      assert.deepEqual(engine.stats().slabs, allFree);
    });
  }
});

describe('a worker thread that dies', () => {
  /** Jobs of this take a thread tens of milliseconds. */
  const slowOptions = {
    threads: 1,
    slabBytes: 2 * MIB,
    firstMessageBytes: 2 * MIB,
    slabCount: 8,
    gzipLevel: 9,
  };

  /** Kills the only thread while it works in a slab; false when the transfer ended before. */
  async function killAtWork(slow: Engine, outcomes: unknown[], killed: Set<number>): Promise<boolean> {
    const slabs = Array.from({ length: slow.pool.count }, (_, slab) => slab);
    const atWork = () =>
      slabs.map((slab) => slow.pool.threadIn(slab)).find((id) => id !== 0 && !killed.has(id));
    await until('a thread at work', () => outcomes.length > 0 || atWork() !== undefined);
    if (outcomes.length > 0) return false;
    killed.add(atWork() ?? 0);
    await slow.workers.killThread();
    return true;
  }

  it('costs the transfer a job and no wrong byte', async (t) => {
    const slow = await startEngine(t, slowOptions);
    const text = sourceFile(t, mixedBytes(16 * MIB, 300 * KIB));
    const outlet = new MemoryOutlet('next turn');
    const run = slow.sendRange(requestOf(text, { chunkBytes: 2 * MIB, compression: 'always' }), outlet).run();
    const outcomes = outcomesOf(run);
    const killed = new Set<number>();
    assert.ok(await killAtWork(slow, outcomes, killed));
    assert.ok(await killAtWork(slow, outcomes, killed));
    await run;
    assert.ok(outlet.received.equals(text.bytes));
    await until('all slabs free', () => slow.stats().slabs.free === slow.pool.count);
  });

  it('again and again under one transfer ends it with INTERNAL, and others go on', async (t) => {
    const slow = await startEngine(t, slowOptions);
    const text = sourceFile(t, textBytes(8 * MIB));
    const run = slow
      .sendRange(
        requestOf(text, { chunkBytes: 8 * MIB, compression: 'always' }),
        new MemoryOutlet('next turn'),
      )
      .run();
    const outcomes = outcomesOf(run);
    const killed = new Set<number>();
    while (await killAtWork(slow, outcomes, killed)) assert.ok(killed.size < 20);
    await assert.rejects(run, { code: 'INTERNAL', message: /die repeatedly/ });
    await until('all slabs free', () => slow.stats().slabs.free === slow.pool.count);
    const outlet = new MemoryOutlet('next turn');
    await slow.sendRange(requestOf(text), outlet).run();
    assert.ok(outlet.received.equals(text.bytes));
  });
});

describe('an engine that is stopped', () => {
  it('ends every transfer with UNAVAILABLE, whatever it is doing', async (t) => {
    const stopping = await startEngine(t);
    const outlets = Array.from({ length: 20 }, (_, i) => new MemoryOutlet(i % 2 ? 'next turn' : 'by hand'));
    const runs = outlets.map((outlet) =>
      stopping.sendRange(requestOf(file, { compression: 'always' }), outlet).run(),
    );
    const failures = runs.map((run) => assert.rejects(run, { code: 'UNAVAILABLE' }));
    await until('the first message', () => outlets.some((outlet) => outlet.messages.length > 0));
    await stopping.stop();
    await Promise.all(failures);
    assert.equal(stopping.stats().transfers, 0);
    assert.equal(stopping.stats().jobsOutstanding, 0);
  });

  it('can be stopped again', async (t) => {
    const stopped = await startEngine(t);
    await stopped.stop();
    await stopped.stop();
  });
});
