import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Admission } from '../../src/service/admission.ts';

describe('admission', () => {
  it('refuses the transfer beyond the limit, saying what the limit is', () => {
    const admission = new Admission('transfers', 2);
    admission.enter();
    admission.enter();
    assert.throws(() => admission.enter(), {
      code: 'RESOURCE_EXHAUSTED',
      message: /2 transfers.*try again later/,
    });
    assert.equal(admission.active, 2);
  });

  it('gives the place of one that left to the next', () => {
    const admission = new Admission('transfers', 1);
    admission.enter();
    admission.leave();
    admission.enter();
    assert.equal(admission.active, 1);
  });

  it('never has more inside than the limit, and a refusal takes no place', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.boolean()), (limit, comings) => {
        const admission = new Admission('transfers', limit);
        let inside = 0;
        for (const comes of comings) {
          inside = comes ? enterOne(admission, inside, limit) : leaveOne(admission, inside);
          assert.equal(admission.active, inside);
        }
      }),
    );
  });
});

/** Tries to enter; how many are inside then. */
function enterOne(admission: Admission, inside: number, limit: number): number {
  if (inside < limit) {
    admission.enter();
    return inside + 1;
  }
  assert.throws(() => admission.enter());
  return inside;
}

function leaveOne(admission: Admission, inside: number): number {
  if (inside === 0) return 0;
  admission.leave();
  return inside - 1;
}
