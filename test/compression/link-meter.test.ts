import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KIB, MIB } from '../../src/base/units.ts';
import { LinkMeter } from '../../src/compression/link-meter.ts';

const ROUND_TRIP_MS = 1;
const WRITE_BYTES = 256 * KIB;

/** A stream that writes 256 KiB every 25 ms, each followed by a barrier, whose echo takes as long as is said. */
function meterAfter(delaysMs: readonly number[]): { link: LinkMeter; nowMs: number } {
  const link = new LinkMeter();
  let nowMs = 0;
  for (const delayMs of delaysMs) {
    link.wrote(WRITE_BYTES, WRITE_BYTES, nowMs);
    link.drained(nowMs + 0.1);
    link.barrierSent(nowMs + 0.1);
    link.echoed(nowMs + 0.1 + delayMs);
    nowMs += Math.max(25, delayMs);
  }
  return { link, nowMs };
}

describe('a link', () => {
  it('is not full for late echoes that a busy machine makes as well', () => {
    const { link, nowMs } = meterAfter([ROUND_TRIP_MS, 40, 40]);
    assert.equal(link.isFull(nowMs), false);
  });

  it('is full when all echoes of a tenth of a second were late', () => {
    const { link, nowMs } = meterAfter([ROUND_TRIP_MS, 40, 40, 40]);
    assert.equal(link.isFull(nowMs), true);
  });

  it('is not full however late echoes are while some come at once', () => {
    const { link, nowMs } = meterAfter([ROUND_TRIP_MS, 80, ROUND_TRIP_MS, 80, ROUND_TRIP_MS, 80]);
    assert.equal(link.isFull(nowMs), false);
  });

  it('is full while one echo is awaited for so long', () => {
    const { link, nowMs } = meterAfter([ROUND_TRIP_MS]);
    link.barrierSent(nowMs);
    assert.equal(link.isFull(nowMs + 60), false);
    assert.equal(link.isFull(nowMs + 120), true);
  });

  it('is not full for echoes that were late before a pause', () => {
    const { link, nowMs } = meterAfter([ROUND_TRIP_MS, 60, 60]);
    assert.equal(link.isFull(nowMs), true);
    link.resumed(nowMs + 5000);
    assert.equal(link.isFull(nowMs + 5000), false);
  });

  it('has no rate between two echoes with idle time between them', () => {
    const [idle, busy] = [meterAfter([ROUND_TRIP_MS, 60, 60]), meterAfter([ROUND_TRIP_MS, 60, 60])];
    idle.link.idled(idle.nowMs + 1000);
    for (const { link, nowMs } of [idle, busy]) {
      link.wrote(WRITE_BYTES, WRITE_BYTES, nowMs + 1000);
      link.drained(nowMs + 1001);
      link.barrierSent(nowMs + 1001);
      link.echoed(nowMs + 1100);
    }
    const rate = (nowMs: number) => [idle, busy].map(({ link }) => link.rateBytesPerMs(nowMs + 1200));
    const [withoutIdle, withIdle] = rate(idle.nowMs) as [number, number];
    assert.ok(withoutIdle > 4 * withIdle, `${withoutIdle} and ${withIdle} bytes a millisecond`);
  });

  it('is not full any more once an echo comes at once', () => {
    const { link, nowMs } = meterAfter([ROUND_TRIP_MS, 60, 60, ROUND_TRIP_MS]);
    assert.equal(link.isFull(nowMs), false);
  });

  it('has no lower rate than what has arrived over it since', () => {
    const late = meterAfter([ROUND_TRIP_MS, 60, 60]);
    assert.ok(late.link.rateBytesPerMs(late.nowMs) < (8 * MIB) / 1000);
    const { link, nowMs } = meterAfter([ROUND_TRIP_MS, 60, 60, ROUND_TRIP_MS, ROUND_TRIP_MS]);
    assert.equal(link.isFull(nowMs), false);
    assert.ok(link.rateBytesPerMs(nowMs) > (9 * MIB) / 1000);
  });

  it('is not held to account for time in which nothing was to be sent', () => {
    const link = new LinkMeter();
    link.wrote(1000, 1000, 0);
    assert.equal(link.drained(10), 10);
    link.resumed(5000);
    link.wrote(1000, 1000, 5000);
    assert.equal(link.drained(5010), 10);
    assert.equal(link.wireRate(5010), 100);
  });

  it('is not waited for after a write whose end was never told', () => {
    const link = new LinkMeter();
    link.wrote(1000, 1000, 0);
    link.resumed(5000);
    assert.equal(link.drained(6000), 0);
    assert.equal(link.wireRate(6000), 0);
  });

  it('is not full for a barrier whose echo was never told', () => {
    const link = new LinkMeter();
    link.barrierSent(0);
    link.echoed(10);
    link.barrierSent(50);
    assert.equal(link.isFull(1000), true);
    link.resumed(1000);
    assert.equal(link.isFull(1000), false);
    assert.equal(link.wantsBarrier(1000, false), true);
  });
});
