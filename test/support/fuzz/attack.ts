/** What one hostile connection sends: all of it is made from a seed, before the first byte goes out. */
import { deflateSync, gzipSync } from 'node:zlib';
import { callBlock, data, END_STREAM, headers, opening, reset } from '../peers/h2-frames.ts';
import { framed } from '../peers/raw-http2.ts';
import type { Random } from '../seed.ts';
import { mutateFrames } from './mutate-frames.ts';
import { mutateMessage, noise } from './mutate-message.ts';
import { type Call, exchangeCall, standardCall, unaryCall, uploadCall } from './requests.ts';

export interface Attack {
  kind: AttackKind;
  bytes: Buffer;
  /** Malformed things in it: frames, headers, messages. */
  cases: number;
}

export const ATTACK_KINDS = ['bytes', 'frames', 'headers', 'framing', 'messages', 'streams'] as const;

export type AttackKind = (typeof ATTACK_KINDS)[number];

/** A window of HTTP/2 without settings, less what is sent beside DATA. */
const MAX_BYTES = 60_000;

/** Each costs eight tokens of a connection, which has 512. */
const MAX_CALLS = 60;

const MAX_FRAME_BYTES = 16_384;

/** How each kind puts its things wrong; returns how many. */
const KINDS: Readonly<Record<AttackKind, (random: Random, frames: Buffer[]) => number>> = {
  /** No HTTP/2, or what begins as if it were. */
  bytes(random, frames) {
    const whole = Buffer.concat([opening(), ...framesOf(1, unaryCall(random))]);
    const text = random.pick([
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      'POST / HTTP/1.0\r\nContent-Length: -1\r\n\r\n',
      '\x16\x03\x01\x00\x05hello',
    ]);
    const bytes = random.pick([
      () => noise(random, random.between(0, 200)),
      () => Buffer.concat([opening(), noise(random, random.between(1, 200))]),
      () => Buffer.from(text, 'latin1'),
      () => whole.subarray(0, random.between(0, whole.length)),
      () => Buffer.concat([whole.subarray(0, random.between(0, 40)), noise(random, 50)]),
    ])();
    frames.push(bytes);
    return 1;
  },
  frames(random, frames) {
    const calls = random.between(1, 6);
    for (let index = 0; index < calls; index += 1) frames.push(...framesOf(2 * index + 1, anyCall(random)));
    const count = random.between(1, 4);
    for (let done = 0; done < count; done += 1) mutateFrames(random, frames);
    frames.unshift(opening());
    return count;
  },
  headers: (random, frames) =>
    calls(random, frames, anyCall, (_call, stream) => [headers(stream, strangeBlock(random))]),
  framing: (random, frames) =>
    calls(random, frames, anyCall, (call, stream) => {
      const encoding = random.pick(['gzip', 'deflate', 'identity', 'br', 'gzip, gzip', '']);
      const block = blockOf(call, random.next() < 0.5 ? {} : { 'grpc-encoding': encoding });
      const body = Buffer.concat(call.messages.map((message) => strangeFraming(random, message)));
      return [headers(stream, block), ...dataOf(stream, body, random.next() < 0.8)];
    }),
  messages: (random, frames) =>
    calls(
      random,
      frames,
      (r) => (r.next() < 0.1 ? standardCall(r) : unaryCall(r)),
      (call, stream) => {
        const messages = call.messages.map((message) => mutated(random, message));
        return framesOf(stream, { ...call, messages });
      },
    ),
  streams(random, frames) {
    let cases = 0;
    frames.push(opening());
    for (let index = 0; index < 6; index += 1) {
      const call = random.next() < 0.5 ? uploadCall(random) : exchangeCall(random);
      const messages = call.messages.map((message) =>
        random.next() < 0.3 ? mutated(random, message) : message,
      );
      cases += messages.length;
      frames.push(...framesOf(2 * index + 1, { ...call, messages }, random.next() < 0.7));
      if (random.next() < 0.1) frames.push(reset(2 * index + 1));
    }
    return cases;
  },
};

/** Which kinds there are more of: what gets furthest. */
const CHOICE: readonly AttackKind[] = [
  'bytes',
  'frames',
  'frames',
  'frames',
  'headers',
  'framing',
  'messages',
  'messages',
  'streams',
  'streams',
  'streams',
];

export function attackOf(random: Random): Attack {
  const kind = random.pick(CHOICE);
  const frames: Buffer[] = [];
  const cases = KINDS[kind](random, frames);
  return { kind, bytes: Buffer.concat(frames), cases };
}

/** Call after call, each with something wrong. */
function calls(
  random: Random,
  frames: Buffer[],
  make: (random: Random) => Call,
  wrong: (call: Call, stream: number) => Buffer[],
): number {
  frames.push(opening());
  const most = random.between(1, MAX_CALLS);
  let cases = 0;
  for (let bytes = 0; cases < most; cases += 1) {
    const made = wrong(make(random), 2 * cases + 1);
    bytes += made.reduce((sum, { length }) => sum + length, 0);
    if (bytes > MAX_BYTES) break;
    frames.push(...made);
  }
  return cases;
}

function anyCall(random: Random): Call {
  return random.pick([unaryCall, unaryCall, uploadCall, exchangeCall, standardCall])(random);
}

function framesOf(stream: number, call: Call, isEnded = true): Buffer[] {
  const body = Buffer.concat(call.messages.map((message) => framed(message)));
  return [headers(stream, blockOf(call)), ...dataOf(stream, body, isEnded)];
}

function dataOf(stream: number, body: Buffer, isEnded: boolean): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < body.length; at += MAX_FRAME_BYTES) {
    const isLast = at + MAX_FRAME_BYTES >= body.length;
    frames.push(data(stream, body.subarray(at, at + MAX_FRAME_BYTES), isLast && isEnded ? END_STREAM : 0));
  }
  return frames;
}

function blockOf({ path }: Call, more: Record<string, string> = {}): Buffer {
  return callBlock('', { ':path': path, ...more });
}

const mutated = (random: Random, message: Uint8Array): Uint8Array => {
  const once = mutateMessage(random, message);
  return random.next() < 0.8 ? once : mutateMessage(random, once);
};

/** What a message says of itself is not so. */
function strangeFraming(random: Random, message: Uint8Array): Buffer {
  const bytes = framed(message);
  const length = random.pick([0, 1, message.length - 1, message.length + 1, 8193, 2 ** 31, 2 ** 32 - 1]);
  return random.pick([
    () => framed(message, true),
    () => framed(gzipSync(message), random.next() < 0.8),
    () => framed(deflateSync(message), true),
    () => framed(gzipSync(message).subarray(0, random.between(0, 25)), true),
    () => framed(gzipSync(Buffer.alloc(100_000)), true),
    () => bytes.subarray(0, random.between(0, bytes.length)),
    () => prefixed(random.between(2, 255), message.length, message),
    () => prefixed(0, Math.max(0, length), message),
    () => Buffer.concat([bytes, bytes]),
    () => Buffer.concat([bytes, noise(random, random.between(1, 20))]),
    () => Buffer.alloc(5 * random.between(1, 300)),
  ])();
}

function prefixed(flag: number, length: number, message: Uint8Array): Buffer {
  const bytes = framed(message);
  bytes.writeUInt8(flag, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

const STRANGE_FIELDS: readonly Record<string, string>[] = [
  { ':path': '' },
  { ':path': '/' },
  { ':path': '/sluice.v1.TransferService' },
  { ':path': '/sluice.v1.TransferService/StatFile/../GetFileSize?x' },
  { ':path': `/${'p'.repeat(4000)}` },
  { ':path': '/__proto__/constructor' },
  { ':path': '/sluice.v1.TransferService/toString' },
  { ':method': 'GET' },
  { ':method': 'CONNECT' },
  { ':scheme': 'ftp' },
  { ':authority': '' },
  { ':unknown': 'x' },
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/grpc+json' },
  { 'content-type': '' },
  { te: 'gzip' },
  { 'grpc-timeout': '0n' },
  { 'grpc-timeout': '1n' },
  { 'grpc-timeout': '99999999H' },
  { 'grpc-timeout': '999999999999H' },
  { 'grpc-timeout': '-1S' },
  { 'grpc-timeout': 'NaNS' },
  { 'grpc-encoding': 'x'.repeat(300) },
  { 'grpc-accept-encoding': ',,,gzip,\x7f' },
  { 'x-bin': '!not base64!' },
  { '__proto__-bin': 'AAAA' },
  { 'content-length': '-1' },
  { 'content-length': '5' },
  { 'content-length': '99999999999999999999' },
  { expect: '100-continue' },
  { 'x-request-id': '\u00ff\t' },
  { 'x-request-id': 'r'.repeat(500) },
  { 'x-request-id': '' },
  { authorization: `Bearer ${'t'.repeat(3000)}` },
  { traceparent: '00-zz' },
  { 'user-agent': '\u0001' },
];

function strangeBlock(random: Random): Buffer {
  const fields: Record<string, string> = { ':path': anyCall(random).path };
  const count = random.between(1, 3);
  for (let done = 0; done < count; done += 1) Object.assign(fields, random.pick(STRANGE_FIELDS));
  return callBlock('', fields);
}
