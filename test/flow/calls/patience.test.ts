import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Patience } from '../../../src/flow/calls/patience.ts';
import { until } from '../../engine/until.ts';
import { blockFor } from '../../support/block.ts';

function patienceOf(t: TestContext, timeoutMs: number) {
  let overs = 0;
  const patience = new Patience(timeoutMs, () => {
    overs += 1;
  });
  t.after(() => patience.close());
  return { patience, overs: () => overs };
}

describe('patience', () => {
  it('is over once with a peer that is still', async (t) => {
    const startedAtMs = performance.now();
    const { overs } = patienceOf(t, 40);
    const another = patienceOf(t, 80);
    await until(() => another.overs() > 0, 'the end of twice the time');
    assert.equal(overs(), 1);
    assert.ok(performance.now() - startedAtMs >= 79);
  });

  it('is not over with a peer that moves', async (t) => {
    const { overs, patience } = patienceOf(t, 40);
    const another = patienceOf(t, 200);
    while (another.overs() === 0) {
      patience.renew();
      await setImmediate();
    }
    assert.equal(overs(), 0);
  });

  it('does not count the time in which the event loop is blocked', async (t) => {
    const { overs, patience } = patienceOf(t, 100);
    for (let time = 0; time < 5; time++) {
      blockFor(150);
      await setImmediate();
      patience.renew();
    }
    assert.equal(overs(), 0);
  });

  it('that is closed is never over', async (t) => {
    const { overs, patience } = patienceOf(t, 20);
    patience.close();
    patience.close();
    const another = patienceOf(t, 80);
    await until(() => another.overs() > 0, 'the end of a longer time');
    assert.equal(overs(), 0);
  });
});
