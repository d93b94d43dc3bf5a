import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import fc from 'fast-check';
import { KeyedMutex } from '../../../src/base/async/keyed-mutex.ts';

const KEYS = ['a', 'b', 'c', 'd'];

test('whoever shares a key takes turns, in their order; nobody waits for ever, and failures change nothing', async () => {
  const piece = fc.record({
    keys: fc.array(fc.constantFrom(...KEYS), { maxLength: 6 }),
    turns: fc.nat(3),
    fails: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const mutex = new KeyedMutex();
      const holders = new Map<string, number>();
      const orderOf = new Map(KEYS.map((key) => [key, [] as number[]]));
      const hold = async (keys: readonly string[], index: number, turns: number) => {
        for (const key of new Set(keys)) {
          assert.equal(holders.get(key), undefined, `${key} is held by another`);
          holders.set(key, index);
          orderOf.get(key)?.push(index);
        }
        for (let turn = 0; turn < turns; turn += 1) await turnOfEventLoop();
        for (const key of keys) holders.delete(key);
      };
      const runs = pieces.map(({ fails, keys, turns }, index) =>
        mutex.runAll(keys, async () => {
          await hold(keys, index, turns);
          if (fails) throw new Error(`piece ${index}`);
          return index;
        }),
      );
      for (const [index, outcome] of (await Promise.allSettled(runs)).entries()) {
        if (pieces[index]?.fails === true) assert.equal(outcome.status, 'rejected');
        else assert.deepEqual(outcome, { status: 'fulfilled', value: index });
      }
      // All who want only one key come in the order in which they asked.
      for (const [key, order] of orderOf) {
        const alone = order.filter((index) => new Set(pieces[index]?.keys).size === 1);
        assert.deepEqual(
          alone,
          alone.toSorted((one, other) => one - other),
          key,
        );
      }
    }),
  );
});

test('a key that is free again is held by the next who asks, at once', async () => {
  const mutex = new KeyedMutex();
  await mutex.run('a', async () => {});
  let isHeld = false;
  const run = mutex.run('a', async () => {
    isHeld = true;
  });
  assert.ok(isHeld);
  await run;
});
