/** In which order cases are measured, and which. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runRounds } from '../../bench/harness/rounds.ts';
import type { BenchContext, Scenario } from '../../bench/harness/scenario.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const listener = { onProgress() {}, onRound() {} };

/** The names of the cases in the order in which they are measured. */
async function measured(rounds: number, only?: RegExp, often = ''): Promise<string> {
  const order: string[] = [];
  const measure = (name: string) => async () => {
    order.push(name);
    return { rateMibPerSec: order.length };
  };
  const scenario: Scenario = {
    name: 'letters',
    describe: '',
    bars: [],
    skipsWarmUp: true,
    prepare: async () =>
      NAMES.map((name) => ({ name, timesARound: often.includes(name) ? 3 : 1, measure: measure(name) })),
  };
  await runRounds(scenario, {} as BenchContext, rounds, listener, only);
  return order.join('');
}

describe('rounds', () => {
  it('measure every case once, each time from another one on', async () => {
    const order = await measured(5);
    assert.equal(order.length, 16);
    const rounds = [0, 4, 8, 12].map((at) => order.slice(at, at + 4));
    for (const round of rounds) assert.deepEqual([...round].sort(), NAMES);
    assert.equal(new Set(rounds.map((round) => round[0])).size, 4);
  });

  it('have no case always behind the same one', async () => {
    const order = await measured(5);
    for (const name of NAMES) {
      const before = [...order].map((_, at) => (at > 0 && order[at] === name ? order[at - 1] : name));
      assert.ok(new Set(before).size > 2, `${name} in ${order}`);
    }
  });

  it('measure short cases again once all have had their turn', async () => {
    const order = await measured(2, undefined, 'bd');
    assert.deepEqual(order.slice(0, 4).split('').sort(), NAMES);
    assert.equal(order.slice(4), 'dbdb');
  });

  it('are of the cases that were asked for, or of none with a clear word', async () => {
    assert.equal(await measured(3, /[bd]/), 'dbbd');
    await assert.rejects(measured(3, /e/), { message: 'letters has no case that matches e' });
  });
});
