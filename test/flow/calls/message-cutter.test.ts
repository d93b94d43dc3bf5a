import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TransferError } from '../../../src/base/errors.ts';
import { MAX_REQUEST_MESSAGE_BYTES } from '../../../src/base/limits.ts';
import { MessageCutter } from '../../../src/flow/calls/message-cutter.ts';
import type { UploadFileRequest } from '../../../src/wire/messages.ts';
import { transferService } from '../../../src/wire/service.ts';
import { framed } from '../../support/peers/raw-http2.ts';

const MAX_CHUNK_BYTES = 5_000;
const { requestSerialize, requestDeserialize } =
  transferService.UploadFile as (typeof transferService)[string];

interface Taken {
  chunk: Buffer;
  fields: Buffer;
}

/** What the sink of a test does when it is asked; all yes where nothing else is said. */
interface Whims {
  refusesMemory?: () => boolean;
  stops?: () => boolean;
}

/** A sink that keeps everything, and the cutter in front of it. */
class Bench {
  readonly taken: Taken[] = [];
  /** Of each chunk, as it was asked for. */
  readonly reservedBytes: number[] = [];
  readonly cutter: MessageCutter;
  #memory: Buffer = Buffer.alloc(0);
  /** The cutter said that it stopped. */
  stops = 0;

  constructor({ refusesMemory = () => false, stops = () => false }: Whims = {}) {
    this.cutter = new MessageCutter(
      {
        reserve: (bytes) => {
          if (refusesMemory()) return null;
          this.reservedBytes.push(bytes);
          this.#memory = Buffer.alloc(bytes, 0xee);
          return this.#memory;
        },
        message: (fields, chunkBytes) => {
          assert.equal(chunkBytes, this.#memory.length);
          this.taken.push({ chunk: this.#memory, fields: Buffer.from(fields) });
          this.#memory = Buffer.alloc(0);
          return !stops();
        },
      },
      MAX_CHUNK_BYTES,
    );
  }

  /** Gives a piece again and again until all of it is taken. */
  feed(piece: Buffer): void {
    for (let at = 0, calls = 0; ; calls++) {
      assert.ok(calls < 10_000, 'the cutter never takes it all');
      const before = at;
      at = this.cutter.feed(piece, at);
      assert.ok(at >= before && at <= piece.length);
      if (at === piece.length) return;
      this.stops += 1;
    }
  }

  /** As an upload pipeline that takes its slab back: the old memory is somebody else's from then on. */
  move(): void {
    const old = this.#memory;
    this.#memory = Buffer.from(old);
    this.cutter.moveChunk(this.#memory);
    old.fill(0xdd);
  }
}

function messageOf(fields: Partial<UploadFileRequest>): Buffer {
  return requestSerialize({ chunk: Buffer.alloc(0), ...fields });
}

function requestOf(bytes: Buffer): UploadFileRequest {
  return requestDeserialize(bytes) as UploadFileRequest;
}

function varint(value: number, leastBytes = 1): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80 || bytes.length + 1 < leastBytes) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}

function field(number: number, wireType: number, ...content: Buffer[]): Buffer {
  return Buffer.concat([varint(number * 8 + wireType), ...content]);
}

function bytesField(number: number, bytes: Uint8Array): Buffer {
  return field(number, 2, varint(bytes.length), Buffer.from(bytes));
}

const anyBytes = (most: number) => fc.uint8Array({ maxLength: most }).map((bytes) => Buffer.from(bytes));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const anyChunk = fc.oneof(
  anyBytes(40),
  anyBytes(MAX_CHUNK_BYTES),
  fc.constant(Buffer.alloc(MAX_CHUNK_BYTES, 7)),
);

const anyExpected = fc.record({
  size: maybe(fc.nat()),
  crc32: maybe(fc.nat()),
  sha256: fc.constantFrom(Buffer.alloc(0), Buffer.alloc(32, 9)),
});

/** A message as protobufjs writes it. */
const encoded = fc
  .record({
    chunk: anyChunk,
    compressed: fc.boolean(),
    offset: maybe(fc.maxSafeNat()),
    rawSize: fc.integer({ min: -5, max: 2 ** 31 - 1 }),
    crc32: maybe(fc.nat(0xffffffff)),
    uploadId: fc.string({ maxLength: 20 }),
    start: fc.option(
      fc.record({
        fileName: fc.string({ maxLength: 300 }),
        expected: fc.option(anyExpected),
        overwrite: fc.nat(3),
        ifMatch: fc.string(),
      }),
    ),
    finish: fc.boolean(),
    expected: fc.option(anyExpected),
  })
  .map((request) => requestSerialize(request));

const unknownField = fc.oneof(
  fc
    .tuple(fc.integer({ min: 20, max: 2 ** 29 - 1 }), fc.nat())
    .map(([n, value]) => field(n, 0, varint(value))),
  fc.integer({ min: 20, max: 3000 }).map((n) => field(n, 1, Buffer.alloc(8, 0x81))),
  fc.tuple(fc.integer({ min: 20, max: 3000 }), anyBytes(300)).map(([n, bytes]) => bytesField(n, bytes)),
  fc.integer({ min: 20, max: 3000 }).map((n) => field(n, 5, Buffer.alloc(4, 0xff))),
  // A value below zero takes all ten bytes.
  fc.constant(field(21, 0, Buffer.from('ffffffffffffffffff01', 'hex'))),
);

/** The same fields in any order, with others that nobody knows between them. */
const shuffled = fc
  .record({
    chunk: anyChunk,
    compressed: fc.boolean(),
    offset: fc.nat(),
    uploadId: fc.string({ maxLength: 10 }),
    unknown: fc.array(unknownField, { maxLength: 4 }),
  })
  .chain(({ chunk, compressed, offset, uploadId, unknown }) =>
    fc
      .shuffledSubarray([
        bytesField(1, chunk),
        field(2, 0, varint(Number(compressed))),
        field(3, 0, varint(offset, 4)),
        bytesField(6, Buffer.from(uploadId)),
        ...unknown,
      ])
      .map((fields) => Buffer.concat(fields)),
  );

function assertSame(taken: readonly Taken[], messages: readonly Buffer[]): void {
  assert.equal(taken.length, messages.length);
  for (const [i, message] of messages.entries()) {
    const { chunk, ...fields } = requestOf(message);
    const { chunk: none, ...fieldsTaken } = requestOf((taken[i] as Taken).fields);
    assert.ok((taken[i] as Taken).chunk.equals(chunk), `the chunk of message ${i}`);
    assert.equal(none.length, 0);
    assert.deepEqual(fieldsTaken, fields);
  }
}

describe('messages cut out of a stream', () => {
  it('are those that were sent, whatever the pieces, the refusals of memory, the stops and the moves', () => {
    const plan = fc.infiniteStream(fc.nat(7));
    fc.assert(
      fc.property(
        fc.array(fc.oneof(encoded, shuffled), { maxLength: 6 }),
        fc.infiniteStream(fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 9_000 }))),
        plan,
        (messages, pieces, whims) => {
          const whim = (one: number) => () => whims.next().value === one;
          const bench = new Bench({ refusesMemory: whim(0), stops: whim(1) });
          const bytes = Buffer.concat(messages.map((message) => framed(message)));
          for (let at = 0; at < bytes.length; ) {
            const end = at + (pieces.next().value as number);
            const piece = Buffer.from(bytes.subarray(at, end));
            bench.feed(piece);
            piece.fill(0xcc); // Node reads on into the same memory.
            if (whims.next().value === 2) bench.move();
            at = end;
          }
          // Behind the last byte, memory may still be wanted for nothing, or a stop be pending.
          while (bench.taken.length < messages.length) bench.feed(Buffer.alloc(0));
          assertSame(bench.taken, messages);
          assert.equal(bench.cutter.isMidMessage, false);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('are the same for a cut at each byte', () => {
    const messages = [
      messageOf({ chunk: Buffer.from('chunk'), offset: 1e12, crc32: 5, finish: true }),
      messageOf({}),
      messageOf({ chunk: Buffer.alloc(300, 1), uploadId: 'an upload' }),
    ];
    const bytes = Buffer.concat(messages.map((message) => framed(message)));
    for (let cut = 0; cut <= bytes.length; cut++) {
      const bench = new Bench();
      bench.feed(bytes.subarray(0, cut));
      bench.feed(bytes.subarray(cut));
      assertSame(bench.taken, messages);
    }
  });

  it('may not end but between two of them', () => {
    const messages = [
      messageOf({ chunk: Buffer.from('chunk'), offset: 7 }),
      messageOf({ finish: true }),
      messageOf({}),
    ];
    const frames = messages.map((message) => framed(message));
    const bytes = Buffer.concat(frames);
    const ends = frames.map((_, i) => Buffer.concat(frames.slice(0, i + 1)).length);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const bench = new Bench();
      bench.feed(bytes.subarray(0, cut));
      assert.equal(bench.cutter.isMidMessage, cut !== 0 && !ends.includes(cut), `after ${cut} bytes`);
    }
  });

  it('may not end while a chunk waits for memory', () => {
    const bench = new Bench({ refusesMemory: () => true });
    const bytes = framed(messageOf({ chunk: Buffer.from('chunk') }));
    assert.ok(bench.cutter.feed(bytes, 0) < bytes.length);
    assert.equal(bench.cutter.isMidMessage, true);
  });

  it('stop before a chunk without memory, and behind a message that is the last for now', () => {
    const first = framed(messageOf({ chunk: Buffer.from('first'), offset: 3 }));
    const both = Buffer.concat([first, framed(messageOf({ chunk: Buffer.from('second') }))]);
    let hasMemory = false;
    let isLast = true;
    const bench = new Bench({ refusesMemory: () => !hasMemory, stops: () => isLast });
    const stopped = bench.cutter.feed(both, 0);
    assert.equal(both[stopped], 'f'.charCodeAt(0), 'all before the first byte of the chunk');
    assert.equal(bench.cutter.feed(both, stopped), stopped);
    hasMemory = true;
    assert.equal(bench.cutter.feed(both, stopped), first.length);
    assert.equal(bench.taken.length, 1);
    isLast = false;
    assert.equal(bench.cutter.feed(both, first.length), both.length);
    assert.equal(bench.taken.length, 2);
  });
});

describe('a chunk whose memory is taken away', () => {
  it('goes on in the new one and never touches the old', () => {
    const old = Buffer.alloc(6);
    const moved = Buffer.alloc(6);
    const cutter = new MessageCutter({ reserve: () => old, message: () => true }, 100);
    const bytes = framed(messageOf({ chunk: Buffer.from('abcdef') }));
    cutter.feed(bytes.subarray(0, bytes.length - 3), 0);
    moved.set(old);
    cutter.moveChunk(moved);
    old.fill(0);
    cutter.feed(bytes, bytes.length - 3);
    assert.equal(moved.toString(), 'abcdef');
    assert.deepEqual(old, Buffer.alloc(6));
  });
});

describe('a hostile stream', () => {
  const GIB = 2 ** 30;
  const chunk = bytesField(1, Buffer.from('chunk'));
  const malformed: [string, Buffer][] = [
    ['a chunk that is longer than its message', framed(field(1, 2, varint(6), Buffer.from('chunk')))],
    ['a field that is longer than its message', framed(field(6, 2, varint(6), Buffer.from('field')))],
    ['a field of 2^63 bytes', framed(field(6, 2, Buffer.from('ffffffffffffffff7f', 'hex')))],
    ['a chunk of 2^63 bytes', framed(field(1, 2, Buffer.from('ffffffffffffffff7f', 'hex')))],
    ['two chunks', framed(Buffer.concat([chunk, chunk]))],
    ['an empty chunk and another', framed(Buffer.concat([bytesField(1, Buffer.alloc(0)), chunk]))],
    ['a value of eleven bytes', framed(field(3, 0, Buffer.alloc(10, 0x80), Buffer.from([1])))],
    ['a tag of six bytes', framed(Buffer.concat([varint(0x0a, 6), varint(1), Buffer.from('x')]))],
    ['a tag above 32 bits', framed(Buffer.concat([varint(2 ** 34 + 0x0a), varint(1), Buffer.from('x')]))],
    ['a length of six bytes', framed(field(6, 2, varint(1, 6), Buffer.from('x')))],
    ['a field with the number 0', framed(field(0, 0, varint(1)))],
    ['a chunk that is a number', framed(field(1, 0, varint(3), Buffer.from('abc')))],
    ['a message that ends in a tag', framed(Buffer.from([0x80]))],
    [
      'a message that ends behind a tag',
      Buffer.concat([framed(Buffer.from([0x18])), framed(Buffer.alloc(0))]),
    ],
    [
      'a message that ends in a length',
      Buffer.concat([framed(Buffer.from([0x0a, 0x80])), framed(Buffer.alloc(0))]),
    ],
    ['a message that ends in a fixed value', framed(field(5, 5, Buffer.alloc(3)))],
    ...[3, 4, 6, 7].map((type): [string, Buffer] => [
      `wire type ${type}`,
      framed(field(15, type, varint(1))),
    ]),
  ];
  for (const [what, bytes] of malformed) {
    it(`with ${what} is INVALID_ARGUMENT`, () => {
      assert.throws(() => new Bench().feed(bytes), { code: 'INVALID_ARGUMENT' });
    });
  }

  it('with a compressed message is UNIMPLEMENTED', () => {
    assert.throws(() => new Bench().feed(framed(messageOf({}), true)), { code: 'UNIMPLEMENTED' });
  });

  it('with a chunk above the limit is RESOURCE_EXHAUSTED, at the limit not', () => {
    const bench = new Bench();
    bench.feed(framed(messageOf({ chunk: Buffer.alloc(MAX_CHUNK_BYTES) })));
    assert.throws(() => bench.feed(framed(messageOf({ chunk: Buffer.alloc(MAX_CHUNK_BYTES + 1) }))), {
      code: 'RESOURCE_EXHAUSTED',
      message: /5001.*5000/,
    });
    assert.deepEqual(bench.reservedBytes, [MAX_CHUNK_BYTES]);
  });

  it('with a frame that no chunk explains is RESOURCE_EXHAUSTED before anything of it is taken', () => {
    for (const bytes of [MAX_CHUNK_BYTES + MAX_REQUEST_MESSAGE_BYTES + 1, 2 ** 32 - 1]) {
      const header = Buffer.alloc(5);
      header.writeUInt32BE(bytes, 1);
      assert.throws(() => new Bench().feed(header), { code: 'RESOURCE_EXHAUSTED' });
    }
  });

  it('with fields of more than 8 KiB is RESOURCE_EXHAUSTED', () => {
    const half = bytesField(30, Buffer.alloc(MAX_REQUEST_MESSAGE_BYTES / 2));
    assert.throws(() => new Bench().feed(framed(Buffer.concat([half, half]))), {
      code: 'RESOURCE_EXHAUSTED',
    });
  });

  it('makes nothing be allocated for bytes that were only announced', () => {
    const before = process.memoryUsage().arrayBuffers;
    const cutters: MessageCutter[] = [];
    for (let i = 0; i < 1000; i++) {
      const cutter = new MessageCutter({ reserve: () => null, message: () => true }, GIB);
      const announced = Buffer.concat([
        Buffer.from([0, 0x40, 0, 0x10, 0]),
        field(i % 2 ? 1 : 6, 2, varint(GIB)),
      ]);
      cutter.feed(announced, 0);
      cutters.push(cutter);
    }
    assert.equal(cutters.length, 1000);
    assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 2 ** 20);
  });

  it('of any bytes makes messages or one typed error', () => {
    const hostile = fc.oneof(
      anyBytes(60).map((bytes) => framed(bytes)),
      fc.tuple(shuffled, fc.nat(), fc.nat(255)).map(([message, at, byte]) => {
        const bytes = framed(message);
        bytes[5 + (at % Math.max(1, message.length))] = byte;
        return bytes;
      }),
      anyBytes(60),
    );
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 3 }), (parts) => {
        try {
          new Bench().feed(Buffer.concat(parts));
        } catch (error) {
          assert.ok(error instanceof TransferError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never shows the decoder a chunk that the cutter did not', () => {
    const fields = fc.array(
      fc
        .tuple(fc.integer({ min: 0, max: 12 }), fc.nat(7), anyBytes(12))
        .map(([n, type, bytes]) => field(n, type, bytes)),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(fields, (parts) => {
        const bench = new Bench();
        try {
          bench.feed(framed(Buffer.concat(parts)));
        } catch {
          return;
        }
        for (const taken of bench.taken) {
          let decoded: UploadFileRequest;
          try {
            decoded = requestOf(taken.fields);
          } catch {
            continue; // INVALID_ARGUMENT as well, further up.
          }
          assert.equal(decoded.chunk.length, 0);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
