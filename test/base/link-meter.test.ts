import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LinkMeter } from '../../src/base/link-meter.ts';

describe('a link', () => {
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

  it('is not full for a mark whose echo was never told', () => {
    const link = new LinkMeter();
    link.marked(0);
    link.echoed(10);
    link.marked(50);
    assert.equal(link.isFull(1000), true);
    link.resumed(1000);
    assert.equal(link.isFull(1000), false);
    assert.equal(link.wantsMark(1000, false), true);
  });
});
