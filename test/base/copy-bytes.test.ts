import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { copyBytes } from '../../src/base/copy-bytes.ts';

const PLAIN = (bytes: number) => new Uint8Array(bytes);
const SHARED = (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes));

describe('copying bytes', () => {
  for (const [from, source] of [
    ['plain', PLAIN],
    ['shared', SHARED],
  ] as const) {
    for (const [to, target] of [
      ['plain', PLAIN],
      ['shared', SHARED],
    ] as const) {
      it(`puts all of them where they belong and nothing elsewhere, from ${from} to ${to} memory`, () => {
        fc.assert(
          fc.property(
            fc.uint8Array({ maxLength: 100 }),
            fc.nat(16),
            fc.nat(16),
            fc.nat(16),
            (bytes, skip, at, rest) => {
              const all = source(skip + bytes.length);
              all.set(bytes, skip);
              const copied = target(at + bytes.length + rest);
              copyBytes(all.subarray(skip), copied, at);
              assert.deepEqual([...copied], [...PLAIN(at), ...bytes, ...PLAIN(rest)]);
            },
          ),
        );
      });
    }
  }

  it('refuses what does not fit', () => {
    assert.throws(() => copyBytes(PLAIN(5), PLAIN(8), 4), RangeError);
  });
});
