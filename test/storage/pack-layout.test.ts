import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PackLayout } from '../../src/storage/pack-layout.ts';

const anySizes = fc.array(fc.oneof(fc.constant(0), fc.nat(20)), { minLength: 1, maxLength: 20 });

describe('the layout of a pack', () => {
  it('has one byte and the size of each file, in order', () => {
    fc.assert(
      fc.property(anySizes, (sizes) => {
        const layout = new PackLayout(sizes.map((size) => ({ fileName: 'a', version: 'v', size })));
        const fileAt = sizes.flatMap((size, file) => Array<number>(1 + size).fill(file));
        assert.equal(layout.size, fileAt.length);
        for (const [offset, file] of fileAt.entries()) {
          assert.equal(layout.fileAt(offset), file);
          assert.equal(layout.startOf(file), fileAt.indexOf(file));
          for (let end = offset + 1; end <= fileAt.length; end++) {
            const files = new Set(fileAt.slice(offset, end)).size;
            assert.equal(layout.filesIn(offset, end - offset), files);
          }
        }
      }),
    );
  });
});
