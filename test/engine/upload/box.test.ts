import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SlabPool } from '../../../src/engine/slabs/slab-pool.ts';
import { Box } from '../../../src/engine/upload/box.ts';

const SLAB_BYTES = 64 * 1024;

/** A box with one chunk of 100 bytes that stand for 300. */
function boxOf(codec: 'identity' | 'gzip', isLeftInSlab: boolean): Box {
  const lease = new SlabPool(SLAB_BYTES, 1).lease();
  assert.ok(lease !== undefined);
  const box = new Box(lease, SLAB_BYTES, isLeftInSlab);
  box.slot(100).fill(1);
  const rawBytes = codec === 'identity' ? 100 : 300;
  box.add({ offset: 0, wireBytes: 100, rawBytes, codec, crc32: -1, ranges: [{ start: 0, end: rawBytes }] });
  return box;
}

describe('a box whose thread dies behind its job', () => {
  it('has the compressed bytes again that were decompressed in its slab', () => {
    const box = boxOf('gzip', true);
    for (let deaths = 0; deaths < 2; deaths++) {
      box.keep();
      box.bytes.fill(2, 0, 300);
      box.restore();
      assert.deepEqual([...box.bytes.subarray(0, 100)], Array(100).fill(1));
    }
  });

  for (const [what, box] of [
    ['plain chunks', boxOf('identity', true)],
    ['a descriptor to write to', boxOf('gzip', false)],
  ] as const) {
    it(`copies nothing with ${what}, which change nothing`, () => {
      box.keep();
      box.bytes.fill(2, 0, 100);
      box.restore();
      assert.equal(box.bytes[0], 2);
    });
  }
});
