import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type RangeWriter, UploadClaims } from '../../../src/service/uploads/upload-claims.ts';

function writerOf(start: number, next: number): RangeWriter {
  return { start, next, yieldTo: async () => {}, endBehindReceived: async () => {} };
}

/** Claims of writers that joined in this order. */
function claimsOf(...writers: RangeWriter[]): UploadClaims {
  const claims = new UploadClaims();
  for (const writer of writers) claims.join(writer);
  return claims;
}

describe('a writer', () => {
  const older = writerOf(100, 200);
  const places: [string, number, number, boolean][] = [
    ['before another', 0, 100, false],
    ['over the first byte of another', 0, 101, true],
    ['within another', 150, 160, true],
    ['around another', 0, 300, true],
    ['over the last byte of another', 199, 300, true],
    ['behind another', 200, 300, false],
  ];
  for (const [where, start, end, meets] of places) {
    it(`${where} ${meets ? 'meets' : 'does not meet'} it`, () => {
      const newer = writerOf(0, 0);
      assert.deepEqual(claimsOf(older, newer).metBy(newer, start, end), meets ? [older] : []);
    });

    it(`${where} that is newer ${meets ? 'has to yield' : 'goes on'}`, () => {
      const newest = writerOf(100, 200);
      const writer = writerOf(0, 0);
      const claims = claimsOf(writer, newest);
      if (meets) assert.throws(() => claims.metBy(writer, start, end), { code: 'TAKEN_OVER' });
      else assert.deepEqual(claims.metBy(writer, start, end), []);
    });
  }

  it('does not meet itself, nor one that has nothing yet', () => {
    const writer = writerOf(0, 100);
    assert.deepEqual(claimsOf(writerOf(50, 50), writer).metBy(writer, 0, 100), []);
  });

  it('meets all that are in its way, oldest first', () => {
    const writers = [writerOf(0, 10), writerOf(50, 60), writerOf(20, 30)];
    const newest = writerOf(0, 0);
    assert.deepEqual(claimsOf(...writers, newest).metBy(newest, 5, 40), [writers[0], writers[2]]);
  });

  it('that has left is met by nobody, and yields wherever another is', () => {
    const [left, other] = [writerOf(0, 100), writerOf(0, 0)];
    const claims = claimsOf(left, other);
    claims.leave(left);
    claims.leave(left);
    assert.equal(claims.count, 1);
    assert.deepEqual(claims.metBy(other, 0, 100), []);
    assert.throws(() => claimsOf(writerOf(0, 100)).metBy(left, 0, 10), { code: 'TAKEN_OVER' });
  });
});
