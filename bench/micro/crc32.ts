/** CRC-32 of chunks, on the heap and in shared memory, and the combination of parts. */
import { randomFillSync } from 'node:crypto';
import { bench, do_not_optimize, group } from 'mitata';
import { KIB, MIB } from '../../src/base/units.ts';
import { combineCrc32, crc32 } from '../../src/wire/crc32.ts';

export function benchCrc32(): void {
  const owned = randomFillSync(new Uint8Array(MIB));
  const shared = new Uint8Array(new SharedArrayBuffer(MIB));
  shared.set(owned);
  let size = 1;
  group('CRC-32', () => {
    bench('64 KiB', () => do_not_optimize(crc32(owned.subarray(0, 64 * KIB))));
    bench('1 MiB', () => do_not_optimize(crc32(owned)));
    bench('1 MiB of shared memory', () => do_not_optimize(crc32(shared)));
    bench('combine, same size as before', () => do_not_optimize(combineCrc32(0x1234_5678, 0x9abc_def0, MIB)));
    bench('combine, another size each time', () => {
      size = (size + 4097) % (64 * MIB);
      do_not_optimize(combineCrc32(0x1234_5678, 0x9abc_def0, size + 1));
    });
  });
}
