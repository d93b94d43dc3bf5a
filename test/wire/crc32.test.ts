import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { combineCrc32, crc32 } from '../../src/wire/crc32.ts';

const crc = fc.integer({ min: 0, max: 0xffff_ffff });
const size = fc.integer({ min: 1, max: 2 ** 51 });

describe('crc32', () => {
  it('is the CRC-32 of the standard: "123456789" gives cbf43926', () => {
    assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
  });

  it('is 0 for nothing', () => {
    assert.equal(crc32(new Uint8Array(0)), 0);
  });

  it('continues from the checksum of what came before', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
        assert.equal(crc32(b, crc32(a)), zlibCrc32(Buffer.concat([a, b])));
      }),
    );
  });

  it('is the same in shared memory, at any alignment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(15), (bytes, at) => {
        const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 16));
        shared.set(bytes, at);
        assert.equal(crc32(shared.subarray(at, at + bytes.length)), zlibCrc32(bytes));
      }),
    );
  });
});

describe('combineCrc32', () => {
  it('gives the checksum of the whole from those of any parts, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 8 }), (parts) => {
        let combined = 0;
        for (const part of parts) combined = combineCrc32(combined, crc32(part), part.length);
        assert.equal(combined, zlibCrc32(Buffer.concat(parts)));
      }),
    );
  });

  it('gives the same whichever neighbours are combined first, up to sizes of 2^52', () => {
    fc.assert(
      fc.property(crc, crc, size, crc, size, (a, b, sizeB, c, sizeC) => {
        const left = combineCrc32(combineCrc32(a, b, sizeB), c, sizeC);
        const right = combineCrc32(a, combineCrc32(b, c, sizeC), sizeB + sizeC);
        assert.equal(left, right);
      }),
    );
  });

  it('agrees with zlib on 64 MiB of zeros appended to one byte', () => {
    const zeros = new Uint8Array(64 * 1024 * 1024);
    const one = Buffer.from([1]);
    assert.equal(combineCrc32(crc32(one), crc32(zeros), zeros.length), zlibCrc32(zeros, zlibCrc32(one)));
  });

  it('always yields an unsigned 32-bit integer', () => {
    fc.assert(
      fc.property(crc, crc, size, (a, b, sizeB) => {
        const combined = combineCrc32(a, b, sizeB);
        assert.equal(combined, combined >>> 0);
      }),
    );
  });
});
