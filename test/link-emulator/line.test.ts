import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Lane, Receiver } from '../../link-emulator/lane.ts';
import { Line, type LineSettings } from '../../link-emulator/line.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** What arrived at the end of a lane, and when. */
class Recorder implements Receiver {
  readonly arrivals: { atMs: number; what: Buffer | string }[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.arrivals.reduce((sum, { what }) => sum + (typeof what === 'string' ? 0 : what.length), 0);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.arrivals.map(({ what }) => what).filter((what) => typeof what !== 'string'));
  }

  get moments(): string[] {
    return this.arrivals.map(({ what }) => what).filter((what) => typeof what === 'string');
  }

  roomMade(): void {}

  open(): void {
    this.#record('open');
  }

  deliver(bytes: Uint8Array): void {
    this.#record(Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length));
  }

  end(): void {
    this.#record('end');
  }

  reset(): void {
    this.#record('reset');
  }

  cut(): void {
    this.#record('cut');
  }

  #record(what: Buffer | string): void {
    this.arrivals.push({ atMs: this.#clock.nowMs(), what });
  }
}

interface Bench {
  clock: FakeClock;
  line: Line;
  lane: Lane;
  end: Recorder;
}

function lineWith(settings: Partial<LineSettings>, random?: () => number): Bench {
  const clock = new FakeClock();
  const ideal = {
    delayMs: 0,
    jitterMs: 0,
    rateBytesPerSec: Number.POSITIVE_INFINITY,
    connectionRateBytesPerSec: Number.POSITIVE_INFINITY,
  };
  const line = new Line({ ...ideal, ...settings }, clock, random);
  const end = new Recorder(clock);
  return { clock, line, lane: line.open(end), end };
}

/** Bytes that tell where they were. */
function pattern(length: number, from = 0): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (from + i) % 251));
}

describe('a line of the link emulator', () => {
  it('passes bytes on at once when it is ideal', () => {
    const { lane, end } = lineWith({});
    lane.push(pattern(10));
    lane.push('end');
    assert.deepEqual(end.arrivals, [
      { atMs: 0, what: pattern(10) },
      { atMs: 0, what: 'end' },
    ]);
  });

  it('holds each byte back for the delay', () => {
    const { clock, lane, end } = lineWith({ delayMs: 16 });
    lane.push(pattern(10));
    clock.passTo(5);
    lane.push(pattern(3));
    clock.passTo(100);
    const times = end.arrivals.map(({ atMs }) => atMs);
    for (const [i, expected] of [16, 21].entries()) assert.ok(Math.abs((times[i] ?? 0) - expected) <= 0.5);
  });

  it('keeps order and bytes whatever the jitter, the rate and the changes of both', () => {
    const piece = fc.record({
      afterMs: fc.integer({ min: 0, max: 40 }),
      bytes: fc.integer({ min: 1, max: 5000 }),
      delayMs: fc.option(fc.integer({ min: 0, max: 50 })),
      rate: fc.option(fc.integer({ min: 10 * KIB, max: 10 * MIB })),
    });
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 60 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        (pieces, random) => {
          const { clock, line, lane, end } = lineWith(
            { delayMs: 10, jitterMs: 30 },
            () => random.next().value as number,
          );
          let pushed = 0;
          for (const { afterMs, bytes, delayMs, rate } of pieces) {
            clock.pass(afterMs);
            if (delayMs !== null) line.change({ delayMs });
            if (rate !== null) line.change({ rateBytesPerSec: rate });
            lane.push(pattern(bytes, pushed));
            pushed += bytes;
          }
          lane.push('end');
          clock.pass(60_000);
          assert.ok(end.bytes.equals(pattern(pushed)));
          assert.deepEqual(end.moments, ['end']);
        },
      ),
      { numRuns: 50 },
    );
  });

  for (const rate of [20 * KIB, MIB, 500 * MIB]) {
    it(`sends ${rate / KIB} KiB/s, no less and no more`, () => {
      const { clock, lane, end } = lineWith({ rateBytesPerSec: rate, delayMs: 5 });
      lane.push(Buffer.alloc(3 * rate));
      for (const atMs of [505, 1005, 2005]) {
        clock.passTo(atMs);
        const expected = ((atMs - 5) / 1000) * rate;
        const arrived = end.size;
        assert.ok(
          Math.abs(arrived - expected) <= 0.01 * expected,
          `${arrived} of ${expected} after ${atMs} ms`,
        );
      }
    });
  }

  it('saves up no more than a short burst while it is idle', () => {
    const { clock, lane, end } = lineWith({ rateBytesPerSec: MIB });
    clock.passTo(60_000);
    lane.push(Buffer.alloc(MIB));
    assert.ok(end.bytes.length <= 0.003 * MIB, `${end.bytes.length} bytes at once`);
  });

  it('gives a rate that comes later its due, not what passed before', () => {
    const { clock, line, lane, end } = lineWith({ rateBytesPerSec: 100 * MIB });
    lane.push(Buffer.alloc(20 * MIB));
    clock.passTo(100);
    line.change({ rateBytesPerSec: MIB });
    const before = end.size;
    clock.passTo(1100);
    assert.ok(Math.abs(end.size - before - MIB) <= 0.01 * MIB);
  });

  it('shares the rate evenly among connections', () => {
    const { clock, line, lane, end } = lineWith({ rateBytesPerSec: MIB });
    const other = new Recorder(clock);
    lane.push(Buffer.alloc(MIB));
    line.open(other).push(Buffer.alloc(MIB));
    clock.passTo(1000);
    assert.ok(Math.abs(end.size - other.size) <= 0.05 * MIB);
  });

  it('limits each connection by itself, and all of them together', () => {
    const { clock, line, lane, end } = lineWith({
      connectionRateBytesPerSec: MIB,
      rateBytesPerSec: 1.5 * MIB,
    });
    const other = new Recorder(clock);
    lane.push(Buffer.alloc(4 * MIB));
    clock.passTo(1000);
    assert.ok(Math.abs(end.size - MIB) <= 0.01 * MIB, `${end.size} bytes alone`);
    line.open(other).push(Buffer.alloc(4 * MIB));
    clock.passTo(2000);
    const together = end.size - MIB + other.size;
    assert.ok(Math.abs(together - 1.5 * MIB) <= 0.02 * MIB, `${together} bytes together`);
    line.change({ rateBytesPerSec: Number.POSITIVE_INFINITY });
    const before = end.size + other.size;
    clock.passTo(3000);
    const each = (end.size + other.size - before) / 2;
    assert.ok(Math.abs(each - MIB) <= 0.02 * MIB, `${each} bytes each`);
  });

  it('counts as backlog what the rate does not let through, not what is on its way', () => {
    const { clock, lane } = lineWith({ rateBytesPerSec: 100 * KIB, delayMs: 1000 });
    lane.push(Buffer.alloc(100 * KIB));
    clock.passTo(500);
    assert.ok(Math.abs(lane.backlogBytes - 50 * KIB) <= KIB, `${lane.backlogBytes} bytes`);
    clock.passTo(1010);
    assert.equal(lane.backlogBytes, 0);
  });

  it('cuts at exactly the byte that was named', () => {
    const { clock, lane, end } = lineWith({ delayMs: 3, rateBytesPerSec: MIB });
    lane.failAt({ kind: 'cut', atByte: 12_345 });
    for (let at = 0; at < 50_000; at += 1000) lane.push(pattern(1000, at));
    clock.passTo(10_000);
    assert.ok(end.bytes.equals(pattern(12_345)));
    assert.deepEqual(end.moments, ['cut']);
  });

  it('cuts before the first byte when told to', () => {
    const { lane, end } = lineWith({});
    lane.failAt({ kind: 'cut', atByte: 0 });
    lane.push(pattern(1));
    assert.equal(end.bytes.length, 0);
    assert.deepEqual(end.moments, ['cut']);
  });

  it('stalls at exactly the byte that was named, and goes on with the next one', () => {
    const { clock, line, lane, end } = lineWith({ delayMs: 3 });
    lane.failAt({ kind: 'stall', atByte: 1500 });
    lane.push(pattern(1000));
    lane.push(pattern(1000, 1000));
    lane.push('end');
    clock.passTo(10_000);
    assert.ok(end.bytes.equals(pattern(1500)));
    assert.deepEqual(end.moments, []);
    assert.equal(lane.backlogBytes, 500);
    line.go();
    assert.ok(end.bytes.equals(pattern(2000)));
    assert.deepEqual(end.moments, ['end']);
  });

  it('stalls again where a fault stands amid what a stall held back', () => {
    const { line, lane, end } = lineWith({});
    line.stall();
    lane.push(pattern(100));
    lane.push(pattern(100, 100));
    lane.failAt({ kind: 'stall', atByte: 50 });
    line.go();
    assert.ok(end.bytes.equals(pattern(50)));
    lane.push(pattern(100, 200));
    line.go();
    assert.ok(end.bytes.equals(pattern(300)));
  });

  it('holds back connections that open during a stall', () => {
    const { clock, line } = lineWith({});
    line.stall();
    const late = new Recorder(clock);
    line.open(late).push(pattern(5));
    assert.equal(late.bytes.length, 0);
    line.go();
    assert.equal(late.bytes.length, 5);
  });

  it('delivers nothing to a connection that is gone', () => {
    const { clock, line, lane, end } = lineWith({ delayMs: 10, rateBytesPerSec: MIB });
    lane.push(pattern(5000));
    clock.passTo(12);
    line.close(lane);
    const arrived = end.arrivals.length;
    clock.passTo(1000);
    assert.equal(end.arrivals.length, arrived);
    assert.equal(lane.backlogBytes, 0);
  });
});
