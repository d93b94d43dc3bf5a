import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LookAhead } from '../../../../src/client/tree/plan/look-ahead.ts';
import { until } from '../../../support/until.ts';

async function* numbers(count: number, read: number[] = []): AsyncGenerator<number, void, undefined> {
  for (let index = 0; index < count; index += 1) {
    read.push(index);
    yield index;
  }
}

test('a source is read so far ahead and no further, and its end is known before it is reached', async () => {
  const read: number[] = [];
  const plan = new LookAhead(numbers(30, read), () => {}, 10);
  assert.equal(await plan.next(), 0);
  await until('it is full', () => plan.waiting === 10);
  assert.equal(read.length, 11);
  assert.equal(plan.isComplete, false);
  for (let index = 1; index < 25; index += 1) assert.equal(await plan.next(), index);
  await until('it has read the end', () => plan.isComplete);
  assert.equal(plan.waiting, 5);
});

test('several take every item once, and all are told of the end', async () => {
  const plan = new LookAhead(numbers(1000), () => {}, 3);
  const taken: number[] = [];
  const lane = async () => {
    for (let item = await plan.next(); item !== undefined; item = await plan.next()) taken.push(item);
  };
  await Promise.all([lane(), lane(), lane()]);
  assert.deepEqual(
    taken.sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, index) => index),
  );
});

test('what the source fails with comes behind what it gave before', async () => {
  async function* failing(): AsyncGenerator<number, void, undefined> {
    yield 1;
    throw new Error('no more');
  }
  const plan = new LookAhead(failing(), () => {});
  assert.equal(await plan.next(), 1);
  await assert.rejects(plan.next(), /no more/);
  assert.equal(plan.isComplete, false);
});
