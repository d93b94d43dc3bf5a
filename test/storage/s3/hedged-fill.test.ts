/** Memory that several responses fill, one of them at each moment. */
import assert from 'node:assert/strict';
import { PassThrough, type Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Counters } from '../../../src/base/counters/counters.ts';
import { type FillContext, HedgedFill } from '../../../src/storage/s3/reads/hedged-fill.ts';
import { Hedging } from '../../../src/storage/s3/reads/hedging.ts';
import { noise } from '../../support/content.ts';
import { Random, seedOf } from '../../support/seed.ts';
import { until } from '../../support/until.ts';

const SIZE = 10_000;
const BYTES = noise(3, SIZE).bytes(0, SIZE);

/** A request: where it began, its body, and how much of it has been sent. */
interface Asked {
  readonly at: number;
  readonly body: PassThrough;
  readonly signal: AbortSignal;
  sent: number;
}

class Scene {
  readonly asked: Asked[] = [];
  /** Of each second request that is over, whether it won. */
  readonly won: boolean[] = [];
  readonly target = new Uint8Array(new SharedArrayBuffer(SIZE));
  readonly fill: HedgedFill;

  constructor(context: Partial<FillContext> = {}) {
    const open = async (at: number, signal: AbortSignal): Promise<Readable> => {
      const body = new PassThrough();
      body.on('error', () => {});
      this.asked.push({ at, body, signal, sent: 0 });
      return body;
    };
    this.fill = new HedgedFill({
      target: this.target,
      open,
      // Every read is late at once, and may have as many second requests as it likes.
      hedging: { lateMs: 0, observe: () => {}, take: () => true, ended: (hasWon) => this.won.push(hasWon) },
      spare: (work) => work(),
      ...context,
    });
  }

  /** Sends the next bytes of a request; of one that was given up, others. */
  send(asked: Asked, bytes: number): void {
    const start = asked.at + asked.sent;
    const piece = Buffer.from(BYTES.subarray(start, start + bytes));
    asked.sent += piece.length;
    if (asked.body.destroyed) return;
    asked.body.write(asked.signal.aborted ? piece.fill(0xee) : piece);
    if (asked.at + asked.sent === SIZE) asked.body.end();
  }

  /** One of the requests moves on, or breaks. */
  step(random: Random): void {
    const alive = this.asked.filter(({ signal, body }) => !signal.aborted && !body.destroyed);
    assert.ok(alive.length <= 2, 'never more than two');
    if (alive.length === 0) return;
    const asked = random.pick(alive);
    if (random.next() < 0.1) asked.body.destroy(new Error('reset'));
    else this.send(asked, random.between(1, 3000));
  }

  async requests(count: number): Promise<void> {
    await until(`there are ${count} requests`, () => this.asked.length >= count);
  }
}

const never = new AbortController().signal;

/** Fills, again after each failure. */
function filled(fill: HedgedFill): { isOver: boolean } {
  const filling = { isOver: false };
  const again = (): void => {
    fill.run(never).then(() => {
      filling.isOver = true;
    }, again);
  };
  again();
  return filling;
}

describe('memory that several responses fill', () => {
  it('has the right bytes, whichever response goes on, and however it ends', async (t) => {
    const random = new Random(seedOf(t));
    for (let round = 0; round < 150; round++) {
      const scene = new Scene();
      const filling = filled(scene.fill);
      for (let step = 0; step < 10_000 && !filling.isOver; step++) {
        scene.step(random);
        await turn();
      }
      assert.ok(filling.isOver);
      assert.ok(BYTES.equals(scene.target));
      // What the others still have goes nowhere.
      for (const { body } of scene.asked) if (!body.destroyed) body.write(Buffer.alloc(100, 0xee));
      await turn();
      assert.ok(BYTES.equals(scene.target));
      assert.ok(scene.asked.every(({ body }) => body.destroyed || body.writableEnded));
    }
  });

  it('belongs to the response that has the next byte: the other one is given up before', async () => {
    const scene = new Scene();
    const filling = scene.fill.run(never);
    await scene.requests(2);
    const [first, second] = scene.asked as [Asked, Asked];
    second.body.write(BYTES.subarray(0, 1));
    await until('the first one is given up', () => first.signal.aborted);
    assert.equal(second.signal.aborted, false);
    assert.ok(first.body.destroyed);
    scene.send({ ...second, at: 1 }, SIZE);
    await filling;
    assert.ok(BYTES.equals(scene.target));
    await until('the second request is over', () => scene.won.length > 0);
    assert.deepEqual(scene.won, [true]);
  });

  it('is waited for as long as it takes where no second request may be made', async () => {
    let refused = 0;
    const spare = () => {
      refused += 1;
      return undefined;
    };
    const scene = new Scene({ spare });
    const filling = scene.fill.run(never);
    await until('second requests were wanted', () => refused > 2);
    assert.equal(scene.asked.length, 1);
    scene.send(scene.asked[0] as Asked, SIZE);
    await filling;
    assert.ok(BYTES.equals(scene.target));
  });

  it('is given up by all when nobody wants it any more', async () => {
    const scene = new Scene();
    const controller = new AbortController();
    const filling = scene.fill.run(controller.signal);
    await scene.requests(2);
    controller.abort(new Error('enough'));
    await assert.rejects(filling, /enough/);
    assert.ok(scene.asked.every(({ signal, body }) => signal.aborted && body.destroyed));
    await until('the second request is over', () => scene.won.length > 0);
    assert.deepEqual(scene.won, [false]);
  });
});

describe('a second request', () => {
  it('is made for what waits twice as long as nearly all have, and for one read in 20', () => {
    const hedging = new Hedging(new Counters());
    for (let read = 0; read < 31; read++) hedging.observe(100);
    assert.equal(hedging.lateMs, Number.POSITIVE_INFINITY);
    for (let read = 0; read < 1000; read++) hedging.observe(read % 50 === 0 ? 9000 : 100);
    assert.equal(hedging.lateMs, 200);
    let made = 0;
    for (let read = 0; read < 1000; read++) {
      hedging.observe(100);
      if (hedging.take()) made += 1;
    }
    assert.ok(made <= 1000 / 20 + 8, `${made}`);
    assert.ok(made >= 1000 / 20 - 1, `${made}`);
  });

  it('is not made while a busy event loop could be the reason', () => {
    const hedging = new Hedging(new Counters());
    for (let read = 0; read < 64; read++) hedging.observe(1);
    assert.equal(hedging.lateMs, 50);
  });
});
