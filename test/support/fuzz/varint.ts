/** Numbers as protobuf writes them, also longer than they have to be. */

/** With fewer bytes than `minBytes` it is filled up with zeros that mean nothing; above 10 it is no varint. */
export function varint(value: bigint, minBytes = 0): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128n; rest /= 128n) bytes.push(Number(rest % 128n) + 128);
  bytes.push(Number(rest));
  while (bytes.length < minBytes) {
    bytes[bytes.length - 1] = (bytes.at(-1) as number) + 128;
    bytes.push(0);
  }
  return Buffer.from(bytes);
}
