/**
 * Copies all of `bytes` to `target` from `at` on; the two do not overlap.
 *
 * With shared memory on either side V8's own copies (`set`, and with it Node's
 * `copy`) go byte by byte where the two differ in alignment: 4 GB/s on Node 20
 * and 22, 8 on 26. `fill` is a plain memcpy at memory speed.
 */
export function copyBytes(bytes: Uint8Array, target: Uint8Array, at = 0): void {
  // `fill` throws for an empty source.
  if (bytes.length > 0) Buffer.prototype.fill.call(target, bytes, at, at + bytes.length);
}
