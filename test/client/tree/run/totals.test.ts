import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Totals } from '../../../../src/client/tree/run/totals.ts';

const COMMON = { name: 'a', sizeBytes: 100, resumedBytes: 0, attempt: 1, restarts: 0 };

function receiving(receivedBytes: number, resumedBytes = 0) {
  return { ...COMMON, phase: 'receiving', receivedBytes, resumedBytes } as const;
}

test('several files add up', () => {
  const totals = new Totals('down', () => true);
  const [first, second] = [{}, {}];
  for (const size of [100, 100, 100]) totals.found(size);
  totals.update(first, receiving(40));
  totals.done(first, 100, 30);
  totals.update(second, receiving(20, 10));
  assert.deepEqual(totals.now, {
    foundFiles: 3,
    isPlanComplete: true,
    doneFiles: 1,
    sizeBytes: 300,
    movedBytes: 120,
    resumedBytes: 40,
  });
});

test('a failed file does not count', () => {
  const totals = new Totals('down', () => true);
  const file = {};
  totals.found(100);
  totals.update(file, receiving(20));
  totals.dropped(file);
  assert.equal(totals.now.movedBytes, 0);
});

test('there is no size before everything is found, nor where one file has none', () => {
  let isComplete = false;
  const totals = new Totals('down', () => isComplete);
  totals.found(100);
  assert.equal(totals.now.sizeBytes, undefined);
  isComplete = true;
  assert.equal(totals.now.sizeBytes, 100);
  totals.found(undefined);
  assert.equal(totals.now.sizeBytes, undefined);
});

test('of uploads it says what is durable', () => {
  const totals = new Totals('up', () => true);
  totals.done({}, 100, 0);
  totals.update({}, { ...COMMON, phase: 'sending', sentBytes: 50, durableBytes: 20 });
  assert.equal(totals.now.movedBytes, 150);
  assert.equal(totals.now.durableBytes, 120);
});
