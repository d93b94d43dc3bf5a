/**
 * CRC-32 (IEEE 802.3, as in gzip and PNG) and the combination of parts.
 *
 * Combination after Mark Adler's crc32_combine of zlib ≥ 1.2.12: appending n
 * bytes multiplies the CRC, as a polynomial over GF(2), by x^(8n) modulo the
 * CRC polynomial; powers x^(2^k) come from a table.
 */
import { crc32 as zlibCrc32 } from 'node:zlib';

/** Reflected CRC-32 polynomial. */
const POLYNOMIAL = 0xedb88320;

/** The CRC-32 of `bytes`, continuing from `seed` (the CRC-32 of what came before). Shared memory is fine. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}

/** The CRC-32 of A‖B from those of A and B and the size of B in bytes. */
export function combineCrc32(crcA: number, crcB: number, sizeB: number): number {
  if (sizeB === 0) return crcA;
  return (multiply(shiftFor(sizeB), crcA) ^ crcB) >>> 0;
}

/** The product of two polynomials modulo the CRC polynomial, bit-reflected. */
function multiply(a: number, b: number): number {
  let product = 0;
  let power = b;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= power;
    power = power & 1 ? (power >>> 1) ^ POLYNOMIAL : power >>> 1;
  }
  return product >>> 0;
}

/** POWERS[k] = x^(2^k) modulo the polynomial. The sequence has period 32 from k = 0 on. */
const POWERS: readonly number[] = (() => {
  const powers = [0x40000000];
  for (let k = 1; k < 32; k++) powers.push(multiply(powers[k - 1] as number, powers[k - 1] as number));
  return powers;
})();

// Nearly all chunks of a transfer have one size, so the last operator is nearly always the next one.
let lastSize = -1;
let lastShift = 0;

/** x^(8·size) modulo the polynomial. */
function shiftFor(size: number): number {
  if (size === lastSize) return lastShift;
  let shift = 0x80000000;
  let k = 3;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(POWERS[k & 31] as number, shift);
    k += 1;
  }
  lastSize = size;
  lastShift = shift;
  return shift;
}
