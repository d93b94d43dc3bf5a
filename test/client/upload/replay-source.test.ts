/** A stream that is read once, and kept until it is durable on the server. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { ReplaySource } from '../../../src/client/upload/sources/replay-source.ts';
import { piecesOf } from '../../../src/client/upload/sources/source-pieces.ts';
import { failureOf, until } from '../fixtures.ts';

const KIB = 1024;
const content = randomBytes(256 * KIB);
const never = new AbortController().signal;

function sourceOf(stream: AsyncIterable<Uint8Array>, limitBytes = 64 * KIB): ReplaySource {
  return new ReplaySource(piecesOf(stream), limitBytes);
}

/** A stream of pieces of `pieceBytes`, and how far it was read. */
function counted(pieceBytes: number): { stream: Readable; readBytes: () => number } {
  let readBytes = 0;
  const pieces = function* () {
    for (let at = 0; at < content.byteLength; at += pieceBytes) {
      readBytes += pieceBytes;
      yield content.subarray(at, at + pieceBytes);
    }
  };
  return { stream: Readable.from(pieces(), { highWaterMark: 1 }), readBytes: () => readBytes };
}

async function read(source: ReplaySource, offset: number, bytes: number): Promise<Buffer | string> {
  const target = Buffer.alloc(bytes);
  const outcome = await source.read(target, offset);
  return typeof outcome === 'string' ? outcome : target.subarray(0, outcome);
}

for (const pieceBytes of [7, 1000, 16 * KIB, 100 * KIB]) {
  test(`gives the bytes of pieces of ${pieceBytes} bytes, again and again, until they are released`, async () => {
    const source = sourceOf(counted(pieceBytes).stream);
    let at = 0;
    for (;;) {
      const first = await read(source, at, 10_000);
      if (typeof first === 'string') break;
      const again = await read(source, at, first.byteLength);
      assert.ok(first.equals(content.subarray(at, at + first.byteLength)));
      assert.ok(first.equals(again as Buffer));
      at += first.byteLength;
      source.release(at - 5);
    }
    assert.deepEqual([at, source.size], [content.byteLength, content.byteLength]);
    assert.ok((await read(source, at - 5, 5)) instanceof Buffer);
  });
}

test('the stream is not read on while what is kept is at the limit', async () => {
  const { stream, readBytes } = counted(KIB);
  const source = sourceOf(stream, 16 * KIB);
  for (let at = 0; at < 16 * KIB; at += 4 * KIB) await read(source, at, 4 * KIB);
  const waiting = read(source, 16 * KIB, KIB);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(source.isFull, true);
  // One piece more is in the hands of the stream itself.
  assert.ok(readBytes() <= 18 * KIB, `${readBytes()}`);
  source.release(KIB);
  assert.equal(((await waiting) as Buffer).byteLength, KIB);
});

test('a stream that yields nothing for now is idle, and readable when it goes on', async () => {
  const stream = new Readable({ read: () => {} });
  const source = sourceOf(stream);
  stream.push('abc');
  assert.equal(String(await read(source, 0, 10)), 'abc');
  const isReadable = source.readable(3, never);
  stream.push('def');
  await isReadable;
  assert.equal(String(await read(source, 3, 10)), 'def');
  stream.push(null);
  await source.readable(6, never);
  assert.equal(await read(source, 6, 10), 'end');
});

test('waiting for a stream ends when it is aborted', async () => {
  const abort = new AbortController();
  const source = sourceOf(new Readable({ read: () => {} }));
  const failure = failureOf(source.readable(0, abort.signal));
  abort.abort();
  assert.equal((await failure).code, 'CANCELLED');
});

test('the failure of a stream comes after its bytes', async () => {
  const pieces = async function* () {
    yield content.subarray(0, 10);
    throw new Error('broken');
  };
  const source = sourceOf(pieces());
  assert.equal(((await read(source, 0, 10)) as Buffer).byteLength, 10);
  assert.equal((await failureOf(read(source, 10, 10))).code, 'LOCAL_IO');
});

test('a stream that fails before anybody reads it does not end the process', async () => {
  const stream = new Readable({ read: () => {} });
  const source = sourceOf(stream);
  stream.destroy(new Error('too early'));
  await until(() => stream.destroyed);
  assert.equal((await failureOf(read(source, 0, 10))).code, 'LOCAL_IO');
});

test('it can be sent from the beginning as long as nothing is released', async () => {
  const source = sourceOf(counted(KIB).stream);
  await read(source, 0, KIB);
  assert.equal(await source.reopen(), true);
  source.release(1);
  assert.equal(await source.reopen(), false);
});

test('closing lets go of streams of every kind, also of one that is being waited for', async () => {
  let isCancelled = false;
  const web = new ReadableStream<Uint8Array>({
    pull: async () => await new Promise(() => {}),
    cancel: () => {
      isCancelled = true;
    },
  });
  const readable = new Readable({ read: () => {} });
  for (const stream of [web, readable]) {
    const source = new ReplaySource(piecesOf(stream), KIB);
    await source.close(new Error('the upload failed'));
    await source.close();
  }
  await until(() => isCancelled && readable.destroyed);
});
