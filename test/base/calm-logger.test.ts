import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CalmLogger } from '../../src/base/calm-logger.ts';
import { Counters } from '../../src/base/counters/counters.ts';
import { silentLogger } from '../../src/base/logger.ts';

interface Line {
  message: string;
  fields: { result?: string; leftOut?: number };
}

function scene() {
  const lines: Line[] = [];
  const info = (fields: object, message: string) => void lines.push({ message, fields });
  const counters = new Counters();
  return { lines, calm: new CalmLogger({ ...silentLogger, info }, counters), counters };
}

const repeat = (times: number, action: () => void) => {
  for (let index = 0; index < times; index++) action();
};

test('a flood of one kind of line is summed up each second, and hides no other kind', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { lines, calm, counters } = scene();
  repeat(1000, () => calm.info({ result: 'NOT_FOUND' }, 'StatFile ended'));
  repeat(3, () => calm.info({ result: 'INVALID_NAME' }, 'StatFile ended'));
  const countOf = (result: string) => lines.filter(({ fields }) => fields.result === result).length;
  assert.equal(countOf('NOT_FOUND'), 50);
  assert.equal(countOf('INVALID_NAME'), 3);
  assert.equal(counters.logLines.value('leftOut'), 950);
  t.mock.timers.tick(1000);
  assert.deepEqual(
    lines.filter(({ fields }) => fields.leftOut !== undefined).map(({ fields }) => fields),
    [{ kind: 'StatFile ended: NOT_FOUND', leftOut: 950 }],
  );
  calm.info({ result: 'NOT_FOUND' }, 'StatFile ended');
  assert.equal(countOf('NOT_FOUND'), 51);
});

test('at the end a logger says what it left out until then', () => {
  const { lines, calm } = scene();
  repeat(1500, () => calm.info({ result: 'OK' }, 'StatFile done'));
  assert.equal(lines.length, 1000);
  calm.close();
  calm.close();
  assert.deepEqual(lines.at(-1)?.fields, { kind: 'StatFile done: OK', leftOut: 500 });
  assert.equal(lines.length, 1001);
});
