import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { StallClock, type Watched } from '../../src/base/stall-clock.ts';
import { blockFor } from '../support/block.ts';
import { until } from '../support/until.ts';

class Peer implements Watched {
  movedBytes = 0;
  isHeldUp = false;
  readonly stillMs: number[] = [];

  still(ms: number): void {
    this.stillMs.push(ms);
  }
}

/** A clock of virtual time, with a timeout of 400 ms: it looks every 100. */
function watched(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const peer = new Peer();
  const clock = new StallClock(peer, 400);
  return { peer, clock, pass: (ms: number) => t.mock.timers.tick(ms) };
}

describe('a stall clock', () => {
  it('says how long its peer has been still', (t) => {
    const { pass, peer } = watched(t);
    pass(450);
    assert.deepEqual(peer.stillMs, [100, 200, 300, 400]);
  });

  it('begins again when the peer moves, and never counts more than has passed since', (t) => {
    const { pass, peer } = watched(t);
    pass(390);
    peer.movedBytes += 1;
    pass(310);
    assert.deepEqual(peer.stillMs, [100, 200, 300, 100, 200, 300]);
  });

  it('says nothing of a peer that moves', (t) => {
    const { pass, peer } = watched(t);
    for (let time = 0; time < 50; time++) {
      pass(90);
      peer.movedBytes += 1;
    }
    assert.deepEqual(peer.stillMs, []);
  });

  it('does not count while the peer is not waited for', (t) => {
    const { pass, peer } = watched(t);
    pass(200);
    peer.isHeldUp = true;
    pass(1000);
    peer.isHeldUp = false;
    pass(300);
    assert.deepEqual(peer.stillMs, [100, 200, 100, 200]);
  });

  it('that is closed says nothing more', (t) => {
    const { clock, pass, peer } = watched(t);
    clock.close();
    clock.close();
    pass(1000);
    assert.deepEqual(peer.stillMs, []);
  });

  it('counts one tick for all the time in which the event loop is blocked', async (t) => {
    const peer = new Peer();
    const clock = new StallClock(peer, 40);
    t.after(() => clock.close());
    blockFor(200);
    await setImmediate();
    await until('a tick', () => peer.stillMs.length > 0);
    assert.deepEqual(peer.stillMs, [10]);
  });
});
