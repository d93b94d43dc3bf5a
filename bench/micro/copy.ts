/**
 * Ways to get a chunk out of a slab. Copying out of a SharedArrayBuffer is
 * slow unless both sides have the same offset modulo 8; `fill` is a memcpy
 * whatever the offsets; a view copies nothing.
 */
import { bench, do_not_optimize, group, summary } from 'mitata';
import { KIB } from '../../src/base/units.ts';

const CHUNK_BYTES = 256 * KIB;

export function benchCopies(): void {
  const memory = new SharedArrayBuffer(CHUNK_BYTES + 64);
  const aligned = new Uint8Array(memory, 8, CHUNK_BYTES);
  const unaligned = new Uint8Array(memory, 13, CHUNK_BYTES);
  const target = Buffer.allocUnsafeSlow(CHUNK_BYTES + 64);
  group('256 KiB out of a slab', () => {
    summary(() => {
      bench('view (zero copy)', () => do_not_optimize(new Uint8Array(memory, 13, CHUNK_BYTES)));
      bench('set, same offset modulo 8', () => target.set(aligned, 8));
      bench('set, another offset modulo 8', () => target.set(unaligned, 8)).baseline();
      bench('fill, same offset modulo 8', () => target.fill(aligned, 8, 8 + CHUNK_BYTES));
      bench('fill, another offset modulo 8', () => target.fill(unaligned, 8, 8 + CHUNK_BYTES));
      bench('Buffer.from, a new buffer each time', () => do_not_optimize(Buffer.from(unaligned)));
    });
  });
}
