/** One choice for several connections: who leads, what counts, when it begins again. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { codingsFor, IDENTITY } from '../../../src/base/coding.ts';
import { KIB, MIB } from '../../../src/base/units.ts';
import { CodecAccount } from '../../../src/client/codec-account.ts';
import { ChunkCoder } from '../../../src/client/compression/chunk-coder.ts';
import { SharedChoice } from '../../../src/client/compression/shared-choice.ts';
import { CodecChoice } from '../../../src/compression/codec-choice.ts';
import type { CallLink } from '../../../src/flow/connections/call-link.ts';
import { RUNTIME_CODECS } from '../../../src/wire/codec.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { textBytes } from '../../support/test-engine.ts';

function connections(count: number) {
  const made: CodecChoice[] = [];
  const shared = new SharedChoice<ChunkCoder>(() => {
    made.push(new CodecChoice(codingsFor(RUNTIME_CODECS, 6)));
    return made.at(-1);
  });
  const turns: Promise<void>[] = [];
  const inTurn = async <R>(action: () => Promise<R>) => {
    await turns.pop();
    return await action();
  };
  const context = {
    account: new CodecAccount(),
    takesPings: true,
    fixed: IDENTITY,
    workers: 1 / count,
    inTurn,
  };
  const coders = Array.from({ length: count }, () => new ChunkCoder(context, shared));
  return { coders, context, made, shared, turns };
}

const text = textBytes(64 * KIB);
const random = randomBytes(512 * KIB);

/** Sends a chunk as a transport does that takes it at once. */
async function send(coder: ChunkCoder, bytes: Uint8Array = text): Promise<void> {
  const chunk = await coder.coded(bytes);
  coder.wrote(chunk);
  coder.drained();
}

/** Between barriers, and between decisions, at the least while something is being found out. */
const BARRIER_MS = 2;

/** Pauses of a busy machine would look like those of a link. */
function clockOf(t: TestContext): FakeClock {
  const clock = new FakeClock();
  t.mock.method(performance, 'now', clock.nowMs);
  return clock;
}

/**
 * Two connections whose first has found spare capacity and has sent a megabyte plainly, with an earlier barrier still on its way.
 * A chunk has waited since before for its turn to be compressed, and still one for each waits to be coded.
 */
async function tryPlainBytes(t: TestContext) {
  const clock = clockOf(t);
  const { coders, made, turns } = connections(2);
  const [first] = coders as [ChunkCoder];
  const [tried] = made as [CodecChoice];
  const echoes: (() => void)[] = [];
  first.began({ pingBarrier: (echoed: () => void) => echoes.push(echoed) > 0 } as CallLink);
  echoes.shift()?.();
  let begin = () => {};
  turns.push(new Promise<void>((resolve) => (begin = resolve)));
  const early = first.coded(text);
  await new Promise((resolve) => setImmediate(resolve));
  const compressed = textBytes(MIB);
  while (tried.isOpening) {
    await send(first, compressed);
    clock.pass(BARRIER_MS);
    echoes.shift()?.();
  }
  await send(first, new Uint8Array(1));
  assert.equal(echoes.length, 1);
  first.wrote(await first.coded(compressed));
  begin();
  const waiting = Promise.all([early, ...coders.map((coder) => coder.coded(text))]);
  return { coders, echoes, tried, waiting };
}

/** After all that needs no time but the processors'. */
function afterWork(): Promise<'nothing'> {
  return new Promise((resolve) => setImmediate(() => setImmediate(() => resolve('nothing'))));
}

describe('a choice that connections share', () => {
  it('is one, and judges by the writes of the first alone', async () => {
    const { coders, made, shared } = connections(3);
    assert.equal(made.length, 1);
    for (const coder of coders) await send(coder);
    const [choice] = made;
    assert.ok(choice !== undefined && choice.link.sentBytes > 0 && choice.link.sentBytes < text.length);
    const sent = Object.values(shared.summary()?.bytes ?? {}).reduce((sum, count) => sum + count, 0);
    assert.equal(sent, 3 * text.length, 'the summary has the bytes of all');
  });

  it('asks the first alone for echoes', () => {
    const { coders } = connections(3);
    const barriers: number[] = [];
    coders.forEach((coder, index) => {
      coder.began({ pingBarrier: () => barriers.push(index) > 0 } as unknown as CallLink);
    });
    assert.deepEqual(barriers, [0]);
  });

  it('keeps the others waiting until the first has seen that the link has spare capacity', async (t) => {
    // Time alone lets nobody go.
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const clock = clockOf(t);
    const { coders, made } = connections(2);
    const [first, second] = coders as [ChunkCoder, ChunkCoder];
    const echoes: (() => void)[] = [];
    const link = { pingBarrier: (echoed: () => void) => echoes.push(echoed) > 0 } as CallLink;
    first.began(link);
    echoes.shift()?.();
    const waiting = second.coded(random);
    const chunk = await first.coded(random);
    first.wrote(chunk);
    clock.pass(BARRIER_MS);
    first.drained();
    assert.equal(echoes.length, 1);
    assert.equal(await Promise.race([waiting, afterWork()]), 'nothing');
    echoes.shift()?.();
    assert.equal(made[0]?.isOpening, false);
    await waiting;
  });

  it('lets the others go when the first is over, when it begins anew, and when nothing is seen', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    for (const end of [
      (coders: ChunkCoder[]) => coders[0]?.close(),
      (_: ChunkCoder[], shared: SharedChoice<ChunkCoder>) => shared.renew(),
      () => t.mock.timers.tick(100),
    ]) {
      const { coders, shared } = connections(3);
      let coded = 0;
      const waiting = coders.slice(1).map((coder) => coder.coded(text).then(() => (coded += 1)));
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(coded, 0);
      end(coders, shared);
      await Promise.all(waiting);
      assert.equal(coded, 2);
    }
  });

  it('keeps all waiting while plain bytes are tried, until the first of them have arrived', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { echoes, tried, waiting } = await tryPlainBytes(t);
    assert.equal(await Promise.race([waiting, afterWork()]), 'nothing');
    // The barrier before the plain bytes says nothing of them; another one goes behind them at once.
    echoes.shift()?.();
    assert.equal(await Promise.race([waiting, afterWork()]), 'nothing');
    assert.equal(echoes.length, 1);
    echoes.shift()?.();
    assert.equal(tried.isPlain, true);
    for (const { coding } of await waiting) assert.equal(coding.codec, 'identity');
  });

  it('compresses on when plain bytes that are tried do not arrive for a while', async (t) => {
    const { coders, tried, waiting } = await tryPlainBytes(t);
    for (const { coding } of await waiting) assert.notEqual(coding.codec, 'identity');
    assert.equal(tried.wantsQuiet, true);
    // And waits no second time for the same.
    for (const coder of coders) assert.notEqual((await coder.coded(text)).coding.codec, 'identity');
  });

  it('goes on with the next connection when the first is over', async () => {
    const { coders, made } = connections(2);
    const [first, second] = coders as [ChunkCoder, ChunkCoder];
    await send(first);
    const before = made[0]?.link.sentBytes ?? 0;
    // A write that began under the first one's lead is none of its own.
    const underWay = await second.coded(text);
    second.wrote(underWay);
    first.close();
    first.close();
    second.drained();
    assert.equal(made[0]?.link.sentBytes, before);
    await send(second);
    assert.ok((made[0]?.link.sentBytes ?? 0) > before);
    assert.equal(made.length, 1);
  });

  it('begins anew with a connection that has no other beside it', () => {
    const { coders, context, made, shared } = connections(2);
    for (const coder of coders) coder.close();
    assert.equal(made.length, 1);
    new ChunkCoder(context, shared);
    assert.equal(made.length, 2);
  });

  it('that began again is not told of chunks that were coded before', async () => {
    const { coders, made, shared } = connections(1);
    const [coder] = coders as [ChunkCoder];
    const old = await coder.coded(text);
    shared.renew();
    coder.wrote(old);
    coder.drained();
    await send(coder);
    const sums = made.map((choice) => Object.values(choice.summary().bytes).reduce((sum, n) => sum + n, 0));
    assert.deepEqual(sums, [text.length, text.length]);
  });

  it('has no summary where there is nothing to choose', () => {
    const shared = new SharedChoice<object>(() => undefined);
    shared.join({});
    assert.deepEqual([shared.current, shared.summary()], [undefined, undefined]);
  });
});
