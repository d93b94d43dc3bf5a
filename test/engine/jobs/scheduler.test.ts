import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RateLimit } from '../../../src/base/rate-limit.ts';
import { NO_SLAB, Scheduler } from '../../../src/engine/jobs/scheduler.ts';
import { type JobStart, type Schedulable, Share } from '../../../src/engine/jobs/share.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const QUANTUM_BYTES = 1000;

/** A stream that always has another job, of the given costs in turn. */
class EndlessStream implements Schedulable {
  deficitBytes = 0;
  isQueued = false;
  servedBytes = 0;
  jobs = 0;
  /** There is no slab for it. */
  refuses = false;
  wants = true;
  readonly share: Share;
  readonly #costs: number[];

  constructor(costs: number[], share = new Share()) {
    this.#costs = costs;
    this.share = share;
  }

  planJob(): number {
    if (!this.wants) return 0;
    return this.refuses ? NO_SLAB : (this.#costs[this.jobs % this.#costs.length] as number);
  }

  startJob(): JobStart {
    this.servedBytes += this.planJob();
    this.jobs += 1;
    return 'posted';
  }
}

function startAll(scheduler: Scheduler, streams: EndlessStream[]): void {
  for (const stream of streams) scheduler.add(stream);
}

/** Ends one job and lets the scheduler post what it can. */
function step(scheduler: Scheduler): boolean {
  if (scheduler.outstanding > 0) scheduler.jobEnded();
  return scheduler.dispatch();
}

const costs = fc.array(fc.integer({ min: 1, max: 3 * QUANTUM_BYTES }), { minLength: 1, maxLength: 5 });
const streams = fc.array(costs, { minLength: 1, maxLength: 8 });
const maxOutstanding = fc.integer({ min: 1, max: 5 });

/** What happens to streams and jobs between two looks of the scheduler. */
const event = fc.record({
  stream: fc.nat(7),
  happen: fc.constantFrom<(scheduler: Scheduler, stream: EndlessStream) => void>(
    (scheduler) => scheduler.outstanding > 0 && scheduler.jobEnded(),
    (_scheduler, stream) => {
      stream.refuses = !stream.refuses;
    },
    (scheduler, stream) => {
      stream.wants = !stream.wants;
      if (stream.wants) scheduler.add(stream);
    },
  ),
});

describe('the scheduler', () => {
  it('serves streams that always want jobs equal bytes, to within one quantum and one job', () => {
    fc.assert(
      fc.property(streams, maxOutstanding, fc.boolean(), (all, limit, isOneOwner) => {
        const scheduler = new Scheduler(limit, QUANTUM_BYTES);
        const common = new Share();
        const backlogged = all.map((each) => new EndlessStream(each, isOneOwner ? common : new Share()));
        startAll(scheduler, backlogged);
        const largestJob = Math.max(...all.flat());
        for (let i = 0; i < 300; i++) {
          step(scheduler);
          const served = backlogged.map((stream) => stream.servedBytes);
          assert.ok(
            Math.max(...served) - Math.min(...served) <= QUANTUM_BYTES + largestJob,
            served.join(' '),
          );
        }
      }),
    );
  });

  it('uses all the room it has and never more', () => {
    fc.assert(
      fc.property(
        streams,
        maxOutstanding,
        fc.array(event, { maxLength: 80, size: 'max' }),
        fc.integer({ min: 1, max: 4 }),
        (all, limit, events, owners) => {
          const scheduler = new Scheduler(limit, QUANTUM_BYTES);
          const shares = Array.from({ length: owners }, () => new Share());
          const items = all.map((each, at) => new EndlessStream(each, shares[at % owners]));
          startAll(scheduler, items);
          for (const { happen, stream } of events) {
            happen(scheduler, items[stream % items.length] as EndlessStream);
            scheduler.dispatch();
            const couldStart = items.some((each) => each.wants && !each.refuses);
            assert.ok(scheduler.outstanding <= limit);
            assert.ok(scheduler.outstanding === limit || !couldStart, 'a job that could be posted was not');
          }
        },
      ),
    );
  });

  it('begins reads without room for jobs being taken', () => {
    const scheduler = new Scheduler(1, QUANTUM_BYTES);
    const readings = Array.from({ length: 5 }, () => {
      const stream = new EndlessStream([10]);
      stream.startJob = () => {
        stream.wants = false;
        return 'reading';
      };
      return stream;
    });
    for (const stream of readings) scheduler.add(stream);
    assert.equal(scheduler.dispatch(), true);
    assert.ok(readings.every(({ wants }) => !wants));
    assert.equal(scheduler.outstanding, 0);
  });

  it('starves nobody, whatever the others refuse', () => {
    fc.assert(
      fc.property(streams, costs, maxOutstanding, (refusing, own, limit) => {
        const scheduler = new Scheduler(limit, QUANTUM_BYTES);
        const others = refusing.map((each) => new EndlessStream(each));
        for (const other of others) other.refuses = true;
        const stream = new EndlessStream(own);
        startAll(scheduler, [...others, stream]);
        for (let i = 0; i < 20; i++) {
          const before = stream.jobs;
          step(scheduler);
          assert.ok(stream.jobs > before);
        }
      }),
    );
  });

  it('says when a job is wanted and nobody could post one', () => {
    const scheduler = new Scheduler(2, QUANTUM_BYTES);
    const stream = new EndlessStream([10]);
    stream.refuses = true;
    assert.equal(scheduler.dispatch(), true);
    scheduler.add(stream);
    assert.equal(scheduler.dispatch(), false);
    stream.refuses = false;
    assert.equal(scheduler.dispatch(), true);
    assert.equal(stream.jobs, 2);
  });

  it('leaves one that was refused its place', () => {
    const scheduler = new Scheduler(1, QUANTUM_BYTES);
    const refused = new EndlessStream([900]);
    const other = new EndlessStream([900]);
    refused.refuses = true;
    startAll(scheduler, [refused, other]);
    for (let i = 0; i < 10; i++) step(scheduler);
    assert.equal(refused.jobs, 0);
    refused.refuses = false;
    const before = other.jobs;
    for (let i = 0; i < 3; i++) step(scheduler);
    assert.ok(refused.jobs >= 1);
    assert.ok(other.jobs - before <= 2);
  });

  it('does not let one that was refused for long catch up at the expense of others', () => {
    const scheduler = new Scheduler(1, QUANTUM_BYTES);
    const refused = new EndlessStream([500]);
    const other = new EndlessStream([500]);
    refused.refuses = true;
    startAll(scheduler, [refused, other]);
    for (let i = 0; i < 100; i++) step(scheduler);
    refused.refuses = false;
    const [refusedBefore, otherBefore] = [refused.servedBytes, other.servedBytes];
    for (let i = 0; i < 100; i++) step(scheduler);
    const gained = refused.servedBytes - refusedBefore - (other.servedBytes - otherBefore);
    assert.ok(Math.abs(gained) <= 2 * QUANTUM_BYTES + 500, `${gained} bytes`);
  });

  it('drops one that wants nothing, with its credit, and takes it back when it does', () => {
    const scheduler = new Scheduler(1, QUANTUM_BYTES);
    const stream = new EndlessStream([100]);
    scheduler.add(stream);
    step(scheduler);
    assert.ok(stream.deficitBytes > 0);
    stream.wants = false;
    step(scheduler);
    assert.equal(scheduler.waiting, 0);
    assert.equal(stream.deficitBytes, 0);
    stream.wants = true;
    scheduler.add(stream);
    step(scheduler);
    assert.equal(stream.jobs, 2);
  });

  it('serves one that was removed no more', () => {
    const scheduler = new Scheduler(1, QUANTUM_BYTES);
    const [gone, stays] = [new EndlessStream([100]), new EndlessStream([100])];
    startAll(scheduler, [gone, stays]);
    step(scheduler);
    scheduler.remove(gone);
    const before = gone.jobs;
    for (let i = 0; i < 50; i++) step(scheduler);
    assert.equal(gone.jobs, before);
    assert.ok(stays.jobs >= 49);
  });

  it('counts one that is added twice once', () => {
    const scheduler = new Scheduler(1, QUANTUM_BYTES);
    const [eager, modest] = [new EndlessStream([1000]), new EndlessStream([1000])];
    startAll(scheduler, [eager, eager, modest, eager]);
    for (let i = 0; i < 100; i++) step(scheduler);
    assert.ok(Math.abs(eager.jobs - modest.jobs) <= 1);
  });

  describe('with shares', () => {
    it('serves owners by their weights, however many streams each has', () => {
      fc.assert(
        fc.property(
          fc.array(fc.record({ weight: fc.integer({ min: 1, max: 5 }), streams }), {
            minLength: 2,
            maxLength: 4,
          }),
          maxOutstanding,
          (owners, limit) => {
            const scheduler = new Scheduler(limit, QUANTUM_BYTES);
            const shares = owners.map(({ weight }) => new Share(weight));
            const all = owners.map((owner, at) =>
              owner.streams.map((each) => new EndlessStream(each, shares[at])),
            );
            startAll(scheduler, all.flat());
            for (let i = 0; i < 2000; i++) step(scheduler);
            const rounds = all.map(
              (own, at) =>
                own.reduce((sum, { servedBytes }) => sum + servedBytes, 0) /
                (QUANTUM_BYTES * (owners[at]?.weight as number)),
            );
            // Within one turn, and one job of three quanta, which may also be running.
            assert.ok(Math.max(...rounds) - Math.min(...rounds) <= 1 + 3 + 3 * limit, rounds.join(' '));
          },
        ),
      );
    });

    it('charges an owner what threads worked for it', () => {
      const scheduler = new Scheduler(1, QUANTUM_BYTES);
      const [busy, idle] = [new EndlessStream([1000]), new EndlessStream([1000])];
      startAll(scheduler, [busy, idle]);
      let before = 0;
      for (let i = 0; i < 300; i++) {
        if (busy.jobs > before) scheduler.worked(busy.share, 1000 / (128 * 1024));
        before = busy.jobs;
        step(scheduler);
      }
      // Each of its jobs costs twice its bytes.
      assert.ok(Math.abs(idle.jobs - 2 * busy.jobs) <= 4, `${idle.jobs} and ${busy.jobs}`);
    });

    it('lets an owner that is alone owe nothing', () => {
      const scheduler = new Scheduler(1, QUANTUM_BYTES);
      const [first, second] = [new EndlessStream([1000]), new EndlessStream([1000])];
      scheduler.add(first);
      for (let i = 0; i < 100; i++) {
        scheduler.worked(first.share, 1);
        step(scheduler);
      }
      scheduler.add(second);
      const before = first.jobs;
      for (let i = 0; i < 20; i++) step(scheduler);
      assert.ok(Math.abs(first.jobs - before - second.jobs) <= 2);
    });
  });

  describe('with owners ahead of their rates', () => {
    function withClock(limit: number) {
      const clock = new FakeClock();
      return { clock, scheduler: new Scheduler(limit, QUANTUM_BYTES, clock.nowMs) };
    }

    /** Of an owner of 1000 bytes a second, which has moved so much that it must wait. */
    function waitingUntil(ms: number): Share {
      const share = new Share(1, [new RateLimit(1000)]);
      share.charge(ms + 100, 0);
      return share;
    }

    it('starts no job early, each when it is due, and says when that is', () => {
      const { clock, scheduler } = withClock(1);
      const late = new EndlessStream([10], waitingUntil(100));
      const later = new EndlessStream([10], waitingUntil(250));
      const free = new EndlessStream([10]);
      free.wants = false;
      startAll(scheduler, [later, late, free]);
      assert.equal(scheduler.dispatch(), true, 'nobody lacks a slab');
      assert.deepEqual([scheduler.delayed, scheduler.msUntilDue(), scheduler.outstanding], [2, 100, 0]);
      assert.equal(scheduler.waiting, 2);
      clock.passTo(99);
      step(scheduler);
      assert.equal(late.jobs, 0);
      clock.passTo(100);
      step(scheduler);
      assert.deepEqual([late.jobs, later.jobs, scheduler.msUntilDue()], [1, 0, 150]);
      clock.passTo(250);
      late.wants = false;
      for (let i = 0; i < 3; i++) step(scheduler);
      assert.ok(later.jobs > 0);
      assert.equal(scheduler.delayed, 0);
    });

    it('keeps their turns for others meanwhile, and lets nobody catch up', () => {
      const { clock, scheduler } = withClock(2);
      const limited = new EndlessStream([500], waitingUntil(1000));
      const other = new EndlessStream([500]);
      startAll(scheduler, [limited, other]);
      for (let i = 0; i < 50; i++) step(scheduler);
      assert.equal(limited.jobs, 0);
      clock.passTo(1000);
      const before = other.jobs;
      for (let i = 0; i < 50; i++) step(scheduler);
      assert.ok(Math.abs(limited.jobs - (other.jobs - before)) <= 4);
    });

    it('holds all streams of an owner together to its rate', () => {
      const { clock, scheduler } = withClock(4);
      const share = new Share(1, [new RateLimit(10_000)]);
      const own = Array.from({ length: 3 }, () => new EndlessStream([100], share));
      for (const each of own) {
        const startJob = each.startJob.bind(each);
        each.startJob = () => {
          share.charge(100, clock.nowMs());
          return startJob();
        };
      }
      startAll(scheduler, own);
      for (; clock.nowMs() < 1000; clock.pass(1)) step(scheduler);
      const bytes = own.reduce((sum, { servedBytes }) => sum + servedBytes, 0);
      // A tenth of a second ahead, and one job.
      assert.ok(bytes >= 10_000 && bytes <= 11_100, `${bytes}`);
      assert.ok(own.every(({ jobs }) => jobs > 20));
    });

    it('serves a stream that was removed while it waited no more', () => {
      const { clock, scheduler } = withClock(1);
      const gone = new EndlessStream([10], waitingUntil(100));
      scheduler.add(gone);
      scheduler.dispatch();
      scheduler.remove(gone);
      clock.passTo(1000);
      scheduler.dispatch();
      assert.deepEqual([gone.jobs, scheduler.waiting, scheduler.delayed], [0, 0, 0]);
    });
  });
});
