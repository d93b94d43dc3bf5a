import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MIN_WINDOW_BYTES } from '../../../src/base/limits.ts';
import { KIB, MIB } from '../../../src/base/units.ts';
import { BdpEstimator } from '../../../src/flow/windows/bdp-estimator.ts';
import { type LinkPlan, SimulatedLink } from './simulated-link.ts';

const MAX_BYTES = 64 * MIB;

function linkWith(plan: LinkPlan, startBytes = MIB) {
  const estimator = new BdpEstimator({ startBytes, maxBytes: MAX_BYTES });
  return { estimator, link: new SimulatedLink(estimator, plan) };
}

describe('the estimator of the bandwidth-delay product', () => {
  for (const roundTripMs of [1, 16, 64]) {
    it(`fills a link of 500 MiB/s and ${roundTripMs} ms within a dozen round trips`, () => {
      const plan = { delayMs: roundTripMs / 2, bytesPerSec: 500 * MIB };
      const { estimator, link } = linkWith(plan);
      link.run(14 * 2 * roundTripMs);
      assert.ok(estimator.windowBytes >= link.productBytes, `${estimator.windowBytes} bytes`);
      const rate = link.run(1000);
      assert.ok(rate >= 0.95 * plan.bytesPerSec, `${rate / MIB} MiB/s`);
    });
  }

  it('starts from the least window of HTTP/2 as well', () => {
    const { estimator, link } = linkWith({ delayMs: 8, bytesPerSec: 200 * MIB }, MIN_WINDOW_BYTES);
    link.run(1000);
    assert.ok(estimator.windowBytes >= link.productBytes);
  });

  it('takes back growth that brings no bandwidth, whatever the noise', () => {
    const { estimator, link } = linkWith({ delayMs: 8, bytesPerSec: 100 * MIB, noise: 0.3 });
    link.run(3000);
    const { windowBytes } = estimator;
    const seen: number[] = [];
    for (let second = 0; second < 120; second += 1) {
      link.run(1000);
      seen.push(estimator.windowBytes);
    }
    assert.ok(Math.max(...seen) <= 2 * windowBytes, seen.join(' '));
    const settled = seen.slice(-40).filter((bytes) => bytes <= windowBytes);
    assert.ok(settled.length >= 35, seen.join(' '));
  });

  it('grows after a sample with luck has set its mark too high', () => {
    const { estimator, link } = linkWith({ delayMs: 8, bytesPerSec: 50 * MIB });
    link.run(500);
    // For a moment the link is far faster than it ever is again.
    link.plan = { delayMs: 1, bytesPerSec: 2000 * MIB };
    link.run(3);
    link.plan = { delayMs: 8, bytesPerSec: 500 * MIB };
    link.run(15_000);
    assert.ok(link.run(1000) >= 450 * MIB, `${estimator.windowBytes} bytes`);
  });

  it('grows on after a first sample of a whole window, which later ones never are', () => {
    const roundTripMs = 16;
    const estimator = new BdpEstimator({ startBytes: 8 * MIB, maxBytes: MAX_BYTES });
    let nowMs = 0;
    const sample = (bytes: number) => {
      estimator.received(1, nowMs);
      estimator.pingSent(nowMs);
      estimator.received(bytes, nowMs);
      nowMs += roundTripMs;
      estimator.pingAnswered(nowMs);
    };
    sample(8 * MIB);
    assert.equal(estimator.windowBytes, 16 * MIB);
    // From now on half of the window is in use, as nghttp2 gives credit back.
    for (let i = 0; i < 4; i += 1) sample(estimator.windowBytes / 2);
    assert.equal(estimator.windowBytes, MAX_BYTES);
  });

  it('lets no queue pile up on a slow link', () => {
    const { estimator, link } = linkWith({ delayMs: 8, bytesPerSec: MIB, noise: 0.1 });
    link.run(10_000);
    link.mostQueuedBytes = 0;
    const rate = link.run(20_000);
    assert.ok(link.mostQueuedBytes <= 512 * KIB, `${link.mostQueuedBytes} bytes queued`);
    assert.ok(estimator.windowBytes <= 512 * KIB, `${estimator.windowBytes} bytes`);
    assert.ok(rate >= 0.95 * MIB);
  });

  it('follows a link that gets slower, and one that gets faster', () => {
    const { estimator, link } = linkWith({ delayMs: 8, bytesPerSec: 100 * MIB }, 8 * MIB);
    link.run(2000);
    link.plan = { delayMs: 8, bytesPerSec: 2 * MIB };
    link.run(40_000);
    assert.ok(estimator.windowBytes <= MIB, `${estimator.windowBytes} bytes at 2 MiB/s`);
    link.plan = { delayMs: 8, bytesPerSec: 400 * MIB };
    link.run(10_000);
    assert.ok(link.run(1000) >= 0.9 * 400 * MIB, `${estimator.windowBytes} bytes at 400 MiB/s`);
  });

  it('never exceeds its limit', () => {
    const { estimator, link } = linkWith({ delayMs: 100, bytesPerSec: 2000 * MIB });
    link.run(20_000);
    assert.equal(estimator.windowBytes, MAX_BYTES);
  });

  it('goes back to the start when the connection is idle', () => {
    const { estimator, link } = linkWith({ delayMs: 8, bytesPerSec: 500 * MIB });
    link.run(2000);
    assert.ok(estimator.windowBytes > 4 * MIB);
    link.isBusy = false;
    link.run(15_000);
    assert.equal(estimator.windowBytes, MIB);
    link.isBusy = true;
    assert.ok(link.run(3000) > 300 * MIB);
  });

  it('is not led to grow by an answer that comes too early', () => {
    const { estimator, link } = linkWith({ delayMs: 32, bytesPerSec: 5 * MIB });
    for (let i = 0; i < 500; i += 1) {
      link.run(10);
      link.answerAtOnce();
    }
    assert.ok(estimator.windowBytes <= 2 * MIB, `${estimator.windowBytes} bytes`);
  });

  it('recovers from many answers that came too early', () => {
    const { estimator, link } = linkWith({ delayMs: 32, bytesPerSec: 200 * MIB });
    for (let i = 0; i < 40; i += 1) {
      link.run(i % 3 === 0 ? 100 : 3);
      link.answerAtOnce();
    }
    link.run(25_000);
    assert.ok(link.run(1000) >= 0.9 * 200 * MIB, `${estimator.windowBytes} bytes`);
  });

  it('forgives one late answer', () => {
    const { estimator, link } = linkWith({ delayMs: 8, bytesPerSec: 200 * MIB });
    link.run(2000);
    const before = estimator.windowBytes;
    link.plan = { ...link.plan, bytesPerSec: 200 * KIB };
    link.run(600);
    link.plan = { ...link.plan, bytesPerSec: 200 * MIB };
    link.run(1000);
    assert.ok(estimator.windowBytes >= 0.5 * before, `${estimator.windowBytes} bytes of ${before}`);
  });

  it('asks for one ping at a time, and more rarely while nothing changes', () => {
    const estimator = new BdpEstimator({ startBytes: 8 * MIB, maxBytes: MAX_BYTES });
    let pings = 0;
    for (let atMs = 0; atMs < 60_000; atMs += 1) {
      estimator.received(64 * KIB, atMs);
      if (!estimator.wantsPing(atMs)) continue;
      pings += 1;
      estimator.pingSent(atMs);
      estimator.received(64 * KIB, atMs);
      assert.ok(!estimator.wantsPing(atMs));
      estimator.pingAnswered(atMs + 0.5);
    }
    assert.ok(pings >= 40 && pings <= 100, `${pings} pings in a minute`);
  });

  it('asks again after a ping that was lost', () => {
    const estimator = new BdpEstimator({ startBytes: MIB, maxBytes: MAX_BYTES });
    estimator.received(1, 0);
    estimator.pingSent(0);
    estimator.pingLost();
    assert.ok(!estimator.pingAnswered(5));
    estimator.received(1, 10);
    assert.ok(estimator.wantsPing(10));
  });

  it('stays within its bounds whatever arrives and whenever', () => {
    const event = fc.record({
      afterMs: fc.integer({ min: 0, max: 20_000 }),
      bytes: fc.integer({ min: 0, max: 200 * MIB }),
      answerMs: fc.double({ min: 0, max: 5000, noNaN: true }),
      answers: fc.nat(2),
      isLost: fc.boolean(),
    });
    const start = fc.integer({ min: MIN_WINDOW_BYTES, max: MAX_BYTES });
    fc.assert(
      fc.property(start, fc.array(event), (startBytes, events) => {
        const estimator = new BdpEstimator({ startBytes, maxBytes: MAX_BYTES });
        let nowMs = 0;
        for (const { afterMs, bytes, answerMs, answers, isLost } of events) {
          nowMs += afterMs;
          estimator.rest(nowMs);
          estimator.received(bytes, nowMs);
          if (estimator.wantsPing(nowMs)) estimator.pingSent(nowMs);
          if (isLost) estimator.pingLost();
          estimator.received(bytes, nowMs);
          nowMs += answerMs;
          for (let i = 0; i < answers; i += 1) estimator.pingAnswered(nowMs);
          assertWithinBounds(estimator);
        }
      }),
    );
  });
});

function assertWithinBounds({ windowBytes }: BdpEstimator): void {
  assert.ok(Number.isInteger(windowBytes), `${windowBytes} bytes`);
  assert.ok(windowBytes >= MIN_WINDOW_BYTES && windowBytes <= MAX_BYTES, `${windowBytes} bytes`);
}
