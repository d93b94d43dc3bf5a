/** HTTP/2 frames with something wrong, in one of them or in their order. */
import { callBlock, continuation, frame, headers, literal, references } from '../peers/h2-frames.ts';
import type { Random } from '../seed.ts';
import { noise } from './mutate-message.ts';

const FRAME_HEADER_BYTES = 9;
const MAX_STREAM_ID = 2 ** 31 - 1;

const HEADERS = 1;
const PRIORITY = 2;
const RST_STREAM = 3;
const SETTINGS = 4;
const PUSH_PROMISE = 5;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;

const PADDED = 8;
const HAS_PRIORITY = 32;

/** Header blocks that no encoder makes. */
const BLOCKS: readonly ((random: Random) => Buffer)[] = [
  () => Buffer.of(0x80), // Index 0.
  () => Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), // An index beyond any.
  () => Buffer.of(0xff, ...Array<number>(20).fill(0x80), 1), // An index of 20 bytes.
  () => Buffer.of(0x3f, 0xff, 0xff, 0xff, 0x7f), // A table larger than allowed.
  () => Buffer.concat([callBlock('StatFile'), Buffer.of(0x20)]), // A new size behind fields.
  () => Buffer.of(0x00, 0x85, 0xff, 0xff, 0xff, 0xff, 0xff), // Huffman's code of nothing but its end.
  () => Buffer.of(0x40, 0x0a, 0x63), // A name that is longer than the block.
  () => callBlock('StatFile').subarray(0, -3),
  () => references(50),
  (random) => noise(random, random.between(1, 60)),
  () => Buffer.concat([literal('x-first', 'a pseudo field comes behind'), callBlock('StatFile')]),
  () => Buffer.concat([callBlock('StatFile'), literal(':path', '/twice')]),
  () => callBlock('StatFile', { 'X-Upper': 'case' }),
  () => callBlock('StatFile', { 'x-line': 'one\r\ntwo: \0' }),
  () => callBlock('StatFile', { connection: 'close', 'transfer-encoding': 'chunked' }),
  () => callBlock('StatFile', { 'x-large': 'v'.repeat(15_000) }),
  () => literal(':status', '200'),
  () => Buffer.alloc(0),
];

const SETTING_VALUES = [0, 1, 2, 16_383, 65_535, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

type Frame = (random: Random, stream: number) => Buffer;

/** Frames that a peer does not send, or not there. */
const FOREIGN: readonly Frame[] = [
  (random) => frame(SETTINGS, random.pick([0, 0, 0, 1]), random.pick([0, 0, 0, 1]), settings(random)),
  (random) => frame(SETTINGS, 0, 0, noise(random, random.between(0, 13))),
  (random) =>
    frame(
      PING,
      random.pick([0, 1, 255]),
      random.pick([0, 0, 3]),
      noise(random, random.pick([8, 8, 8, 7, 0, 9])),
    ),
  (random, stream) =>
    frame(WINDOW_UPDATE, 0, random.pick([0, stream]), number(random.pick([0, 1, MAX_STREAM_ID]))),
  (random, stream) =>
    frame(
      PRIORITY,
      0,
      stream,
      Buffer.concat([number(random.pick([stream, 0, 99])), noise(random, random.pick([1, 1, 0]))]),
    ),
  (random, stream) =>
    frame(RST_STREAM, 0, random.pick([stream, 0, stream + 2]), number(random.between(0, 20))),
  (random, stream) =>
    frame(
      PUSH_PROMISE,
      4,
      stream,
      Buffer.concat([number(2), callBlock('StatFile')]).subarray(random.pick([0, 2])),
    ),
  (random) => frame(GOAWAY, 0, random.pick([0, 0, 1]), noise(random, random.pick([8, 8, 7, 40]))),
  (random, stream) => continuation(random.pick([stream, 0]), callBlock('StatFile'), random.pick([0, 4])),
  (random, stream) => headers(stream, random.pick(BLOCKS)(random), random.pick([4, 5, 4, 0])),
  (random, stream) =>
    headers(
      stream,
      noise(random, random.between(0, 30)),
      4 | random.pick([PADDED, HAS_PRIORITY, PADDED | HAS_PRIORITY]),
    ),
  (random, stream) => frame(0, PADDED | random.pick([0, 1]), stream, noise(random, random.between(0, 20))),
  (random, stream) =>
    frame(0, 0, random.pick([0, stream, stream + 2, 2, MAX_STREAM_ID]), noise(random, random.between(0, 50))),
  (random) =>
    frame(
      random.between(10, 255),
      random.between(0, 255),
      random.between(0, 9),
      noise(random, random.between(0, 50)),
    ),
  (random, stream) =>
    repeated(
      frame(
        random.pick([HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, 0]),
        0,
        random.pick([0, stream]),
        Buffer.alloc(0),
      ),
      random.between(1, 60),
    ),
];

type Mutation = (random: Random, frames: Buffer[], at: number) => void;

const MUTATIONS: readonly Mutation[] = [
  /** A foreign frame is there too. Most of what matters is one. */
  insertForeign,
  insertForeign,
  insertForeign,
  /** The length is that of no frame, or of the wrong one. */
  changed((random, bytes) =>
    bytes.writeUIntBE(
      random.pick([0, bytes.length, 16_385, 2 ** 24 - 1, bytes.length - 10]) & 0xffffff,
      0,
      3,
    ),
  ),
  /** Another type, other flags. */
  changed((random, bytes) => bytes.writeUInt8(random.between(0, 12), 3)),
  changed((random, bytes) => bytes.writeUInt8(random.between(0, 255), 4)),
  /** Another stream: none, one of the server's, an old one, a new one, the reserved bit. */
  changed((random, bytes) => bytes.writeUInt32BE(random.pick([0, 2, 1, 99, MAX_STREAM_ID, 2 ** 31 + 1]), 5)),
  /** A bit of the payload, which is a table or a length often. */
  changed((random, bytes) => {
    const byte = random.between(Math.min(FRAME_HEADER_BYTES, bytes.length - 1), bytes.length - 1);
    bytes.writeUInt8(bytes.readUInt8(byte) ^ (1 << random.between(0, 7)), byte);
  }),
  /** Cut off, so that the next one is taken for its payload. */
  (random, frames, at) => {
    const bytes = frames[at] as Buffer;
    frames[at] = bytes.subarray(0, random.between(1, bytes.length));
  },
  /** Missing, twice, or in the place of another. */
  (_random, frames, at) => void frames.splice(at, 1),
  (_random, frames, at) => void frames.splice(at, 0, frames[at] as Buffer),
  (random, frames, at) => {
    const other = random.between(0, frames.length - 1);
    [frames[at], frames[other]] = [frames[other] as Buffer, frames[at] as Buffer];
  },
];

/** Puts one thing wrong. */
export function mutateFrames(random: Random, frames: Buffer[]): void {
  if (frames.length === 0) frames.push(random.pick(FOREIGN)(random, 1));
  else random.pick(MUTATIONS)(random, frames, random.between(0, frames.length - 1));
}

function insertForeign(random: Random, frames: Buffer[], at: number): void {
  const stream =
    (frames[at]?.length ?? 0) < FRAME_HEADER_BYTES ? 1 : (frames[at] as Buffer).readUInt32BE(5) % 2 ** 31;
  frames.splice(at, 0, random.pick(FOREIGN)(random, Math.min(stream, MAX_STREAM_ID - 2)));
}

function changed(change: (random: Random, bytes: Buffer) => void): Mutation {
  return (random, frames, at) => {
    const bytes = Buffer.from(frames[at] as Buffer); // copy: others keep theirs
    if (bytes.length < FRAME_HEADER_BYTES) return;
    change(random, bytes);
    frames[at] = bytes;
  };
}

function settings(random: Random): Buffer {
  const count = random.pick([1, 1, 2, 6, 60]);
  const payload = Buffer.alloc(6 * count);
  for (let at = 0; at < payload.length; at += 6) {
    payload.writeUInt16BE(random.between(0, 9), at);
    payload.writeUInt32BE(random.pick(SETTING_VALUES), at + 2);
  }
  return payload;
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function repeated(bytes: Buffer, times: number): Buffer {
  return Buffer.concat(Array<Buffer>(times).fill(bytes));
}
