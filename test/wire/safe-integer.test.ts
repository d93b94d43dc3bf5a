import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { safeInteger } from '../../src/wire/safe-integer.ts';

describe('safeInteger', () => {
  for (const value of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    it(`passes ${value}`, () => {
      assert.equal(safeInteger(value, 'start'), value);
    });
  }

  it('refuses a negative value, naming the field', () => {
    assert.throws(() => safeInteger(-1, 'start'), {
      code: 'INVALID_ARGUMENT',
      message: /^start is negative; .*2\^53/,
    });
  });

  for (const value of [2 ** 53, 2 ** 63, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`refuses ${value}`, () => {
      assert.throws(() => safeInteger(value, 'limit'), { code: 'INVALID_ARGUMENT', message: /^limit / });
    });
  }
});
