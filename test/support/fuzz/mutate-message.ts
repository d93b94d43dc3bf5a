/**
 * Protobuf messages with one thing wrong, anywhere in them: in the bytes, so that what no encoder
 * would write is among it.
 */
import type { Random } from '../seed.ts';
import { varint } from './varint.ts';

interface Field {
  number: number;
  wireType: number;
  /** Of the tag, of the value without the length in front of it, and behind the value. */
  start: number;
  value: number;
  end: number;
}

const LENGTH_DELIMITED = 2;

/** Of the values of the wire types that have a size. */
const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** Deeper than any message of the contract. */
const MAX_DEPTH = 6;

/** The edges of what varints and lengths are read as. */
const EDGES: readonly bigint[] = [
  0n,
  1n,
  127n,
  128n,
  2n ** 16n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Texts that names, versions, ids and positions are not, or are only just. */
const TEXTS: readonly (() => Uint8Array)[] = [
  () => Buffer.alloc(0),
  () => Buffer.from('../../etc/passwd'),
  () => Buffer.from('/'),
  () => Buffer.from('a//b/./c'),
  () => Buffer.from('nul\0inside'),
  () => Buffer.from('.sluice-uploads/x'),
  () => Buffer.from('\u001b[2J\u009b\u202e\u2028'),
  () => Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]),
  () => Buffer.alloc(255, 'n'),
  () => Buffer.alloc(256, 'n'),
  () => Buffer.alloc(2049, 'm/'),
  () => Buffer.alloc(200, 'd/'),
  () => Buffer.alloc(9000, 'x'),
];

type Mutation = (random: Random, message: Uint8Array, field: Field) => Uint8Array;

const MUTATIONS: readonly Mutation[] = [
  /** Another number, of any length that a varint can have, and some that it cannot. */
  (random, message, { start, end, number }) =>
    spliced(message, start, end, tag(number, 0), varint(random.pick(EDGES), random.pick([0, 0, 5, 10, 11]))),
  /** Another text or message. */
  (random, message, { start, end, number }) => {
    const text = random.pick(TEXTS)();
    return spliced(message, start, end, tag(number, 2), varint(BigInt(text.length)), text);
  },
  /** A length that is not that of what follows. */
  (random, message, { start, value, number }) => {
    const length = random.next() < 0.5 ? BigInt(random.between(0, 300)) : random.pick(EDGES);
    return spliced(message, start, value, tag(number, 2), varint(length));
  },
  /** Another wire type before the same bytes. */
  (random, message, { start, value, number }) =>
    spliced(message, start, value, tag(number, random.between(0, 7))),
  /** Another field: one of the contract, the forbidden 0, or none. */
  (random, message, { start, value, end, wireType }) => {
    const number = random.pick([0, random.between(1, 12), 13, 19_000, 2 ** 29 - 1]);
    const length = wireType === LENGTH_DELIMITED ? varint(BigInt(end - value)) : Buffer.alloc(0);
    return spliced(message, start, value, tag(number, wireType), length);
  },
  /** Not there. */
  (_random, message, { start, end }) => spliced(message, start, end),
  /** Twice, or very often. */
  (random, message, { start, end }) => {
    const times = random.next() < 0.9 ? 1 : random.between(2, Math.max(2, Math.floor(4000 / (end - start))));
    return spliced(message, end, end, ...Array<Uint8Array>(times).fill(message.subarray(start, end)));
  },
  /** Cut off inside. */
  (random, message, { start, end }) => message.subarray(0, random.between(start, end)),
  /** Groups, which proto3 does not have, within each other. */
  (random, message, { start, number }) => {
    const depth = random.pick([1, 2, 99, 101, 4000]);
    const ends = random.next() < 0.5 ? depth : random.between(0, depth);
    return spliced(message, start, start, repeated(tag(number, 3), depth), repeated(tag(number, 4), ends));
  },
  /** Any bytes. */
  (random, message, { value, end }) => spliced(message, value, end, noise(random, end - value)),
  /** A bit. */
  (random, message, { start, end }) => {
    const at = random.between(start, end - 1);
    return spliced(message, at, at + 1, Buffer.of((message[at] as number) ^ (1 << random.between(0, 7))));
  },
];

/** `message` with one mutation, at any depth. An empty message gets bytes. */
export function mutateMessage(random: Random, message: Uint8Array, depth = 0): Uint8Array {
  const fields = fieldsOf(message);
  if (fields === null || fields.length === 0) return noise(random, random.between(1, 20));
  const field = random.pick(fields);
  const inner = message.subarray(field.value, field.end);
  if (field.wireType === LENGTH_DELIMITED && depth < MAX_DEPTH && random.next() < 0.6) {
    if ((fieldsOf(inner)?.length ?? 0) > 0) {
      const changed = mutateMessage(random, inner, depth + 1);
      const length = varint(BigInt(changed.length));
      return spliced(message, field.start, field.end, tag(field.number, LENGTH_DELIMITED), length, changed);
    }
  }
  return random.pick(MUTATIONS)(random, message, field);
}

export function noise(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = random.between(0, 255);
  return bytes;
}

/** null for bytes that are no message. */
function fieldsOf(message: Uint8Array): Field[] | null {
  const fields: Field[] = [];
  for (let at = 0; at < message.length; ) {
    const field = fieldAt(message, at);
    if (field === null || field.end > message.length) return null;
    fields.push(field);
    at = field.end;
  }
  return fields;
}

function fieldAt(message: Uint8Array, start: number): Field | null {
  const key = read(message, start);
  if (key === null || key.number < 8) return null;
  const field = { number: Math.floor(key.number / 8), wireType: key.number % 8, start, value: key.end };
  const fixedBytes = FIXED_BYTES[field.wireType];
  if (fixedBytes !== undefined) return { ...field, end: key.end + fixedBytes };
  // A number, or the length of what follows.
  const number = read(message, key.end);
  if (number === null) return null;
  if (field.wireType === 0) return { ...field, end: number.end };
  return field.wireType === LENGTH_DELIMITED
    ? { ...field, value: number.end, end: number.end + number.number }
    : null;
}

function read(bytes: Uint8Array, start: number): { number: number; end: number } | null {
  let number = 0;
  for (let at = start; at < Math.min(bytes.length, start + 10); at += 1) {
    const byte = bytes[at] as number;
    number += (byte % 128) * 2 ** (7 * (at - start));
    if (byte < 128) return { number, end: at + 1 };
  }
  return null;
}

function tag(number: number, wireType: number): Buffer {
  return varint(BigInt(number) * 8n + BigInt(wireType));
}

function repeated(bytes: Uint8Array, times: number): Buffer {
  return Buffer.concat(Array<Uint8Array>(times).fill(bytes));
}

/** `bytes` with others in the place of `[start, end)`. */
function spliced(bytes: Uint8Array, start: number, end: number, ...others: Uint8Array[]): Buffer {
  return Buffer.concat([bytes.subarray(0, start), ...others, bytes.subarray(end)]);
}
