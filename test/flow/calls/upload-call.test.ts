import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Metadata, status } from '@grpc/grpc-js';
import { TransferError } from '../../../src/base/errors.ts';
import { StaticWindows } from '../../../src/flow/windows/static-windows.ts';
import { blockFor } from '../../support/block.ts';
import { framed } from '../../support/peers/raw-http2.ts';
import { noiseBytes } from '../../support/test-engine.ts';
import { until, within } from '../../support/until.ts';
import {
  type GrpcUpload,
  grpcClient,
  grpcUpload,
  rawUpload,
  serialized,
  serveUploads,
  type TestReceiver,
  type UploadServer,
  WINDOW_BYTES,
} from './upload-server.ts';

const noise = noiseBytes(1_000_000);

async function firstReceiver(server: UploadServer): Promise<TestReceiver> {
  await until('a call', () => server.receivers.length > 0);
  return server.receivers[0] as TestReceiver;
}

/** Answers OK once everything has come. */
function respondAtEnd(receiver: TestReceiver): void {
  receiver.onEnded = () => receiver.call.respond(Buffer.from('thanks'));
}

async function assertClosed(receiver: TestReceiver): Promise<void> {
  await within('the close', new Promise<void>((resolve) => receiver.call.onClose(resolve)));
  assert.ok(receiver.call.isClosed);
}

/** Turns of the event loop in which what is under way gets on. */
async function untilQuiet(bytesOf: () => number): Promise<void> {
  for (let quiet = 0, last = bytesOf(); quiet < 50; quiet++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (bytesOf() !== last) quiet = 0;
    last = bytesOf();
  }
}

for (const direct of [true, false]) {
  describe(`an upload call read ${direct ? 'directly' : 'through grpc-js'}`, () => {
    it('gives the messages, their fields and their chunks in order', async (t) => {
      const server = await serveUploads(t, { direct }, respondAtEnd);
      const { call, end } = grpcUpload(t, server.port);
      const sizes = [0, 1, 100_000, 0, 999_999, 1_000_000, 16_384];
      for (const [i, size] of sizes.entries()) {
        call.write({ chunk: noise.subarray(0, size), offset: i * 1e10, uploadId: `upload ${i}`, crc32: i });
      }
      call.end();
      const { code, response } = await within('the response', end);
      assert.equal(code, status.OK);
      assert.equal(String(response), 'thanks');
      const { messages, chunks, endings, failures } = server.receivers[0] as TestReceiver;
      assert.equal(messages.length, sizes.length);
      for (const [i, size] of sizes.entries()) {
        assert.ok(chunks[i]?.equals(noise.subarray(0, size)));
        const { chunk, offset, uploadId, crc32 } = messages[i] as (typeof messages)[0];
        assert.deepEqual([chunk.length, offset, uploadId, crc32], [0, i * 1e10, `upload ${i}`, i]);
      }
      assert.deepEqual([endings, failures], [1, []]);
      await assertClosed(server.receivers[0] as TestReceiver);
    });

    it('without memory is not read: its sender gets no further than its window, and goes on when there is', async (t) => {
      const server = await serveUploads(t, { direct }, (receiver) => {
        receiver.hasMemory = false;
        respondAtEnd(receiver);
      });
      const { call, end } = grpcUpload(t, server.port);
      const count = 40;
      for (let i = 0; i < count; i++) call.write({ chunk: noise.subarray(i, i + 100_000) });
      call.end();
      const receiver = await firstReceiver(server);
      await until('a refusal', () => receiver.refusals > 0);
      const [socket] = server.sockets;
      await untilQuiet(() => socket?.bytesRead ?? 0);
      // grpc-js hands out a whole message, and reads up to sixteen ahead.
      const most = direct ? 4 * WINDOW_BYTES : 20 * 100_000;
      assert.ok((socket?.bytesRead ?? 0) < most, `${socket?.bytesRead} bytes were read`);
      assert.equal(receiver.messages.length, 0);
      receiver.hasMemory = true;
      receiver.call.proceed();
      assert.equal((await within('the response', end)).code, status.OK);
      assert.equal(receiver.chunks.length, count);
      for (const [i, chunk] of receiver.chunks.entries())
        assert.ok(chunk.equals(noise.subarray(i, i + 100_000)));
    });

    it('without memory does not hold back another on the same connection', async (t) => {
      const server = await serveUploads(t, { direct }, (receiver) => {
        receiver.hasMemory = server.receivers.length > 1;
        respondAtEnd(receiver);
      });
      const client = grpcClient(t, server.port);
      const send = () => {
        const { call, end } = grpcUpload(t, server.port, client);
        for (let i = 0; i < 40; i++) call.write({ chunk: noise.subarray(i, i + 100_000) });
        call.end();
        return end;
      };
      const stalled = send();
      const receiver = await firstReceiver(server);
      await until('a refusal', () => receiver.refusals > 0);
      assert.equal((await within('the response to the other', send())).code, status.OK);
      assert.equal(server.sockets.length, 1);
      assert.deepEqual(
        server.receivers.map(({ chunks }) => chunks.length),
        [0, 40],
      );
      receiver.hasMemory = true;
      receiver.call.proceed();
      assert.equal((await within('the response', stalled)).code, status.OK);
    });

    it('pauses behind any message until it may proceed, its end included', async (t) => {
      const server = await serveUploads(t, { direct }, (receiver) => {
        receiver.pausesInMessages = true;
        respondAtEnd(receiver);
      });
      const { call, end } = grpcUpload(t, server.port);
      const sizes = [5, 70_000, 0, 6, 0];
      for (const size of sizes) call.write({ chunk: noise.subarray(0, size) });
      call.end();
      const receiver = await firstReceiver(server);
      for (let taken = 1; taken <= sizes.length; taken++) {
        await until(`${taken} messages`, () => receiver.messages.length === taken);
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
        assert.equal(receiver.messages.length, taken);
        assert.equal(receiver.endings, 0);
        receiver.call.proceed();
      }
      assert.equal((await within('the response', end)).code, status.OK);
      assert.deepEqual(
        receiver.chunks.map((chunk) => chunk.length),
        sizes,
      );
    });

    it('ends behind what is held, when memory comes after the half-close', async (t) => {
      const server = await serveUploads(t, { direct }, (receiver) => {
        receiver.hasMemory = false;
        respondAtEnd(receiver);
      });
      const { call, end } = grpcUpload(t, server.port);
      call.write({ chunk: noise.subarray(0, 100), finish: true });
      call.end();
      const receiver = await firstReceiver(server);
      await until('a refusal', () => receiver.refusals > 0);
      await untilQuiet(() => receiver.refusals);
      assert.equal(receiver.endings, 0);
      receiver.hasMemory = true;
      receiver.call.proceed();
      assert.equal((await within('the response', end)).code, status.OK);
      assert.deepEqual([receiver.messages.length, receiver.endings, receiver.failures.length], [1, 1, 0]);
    });

    it('that fails tells the client while it still sends, and takes nothing more', async (t) => {
      const server = await serveUploads(t, { direct });
      const { call, end } = grpcUpload(t, server.port);
      const more = () => call.write({ chunk: noise.subarray(0, 50_000) }, more);
      more();
      const receiver = await firstReceiver(server);
      await until('messages', () => receiver.messages.length > 3);
      receiver.call.fail({ code: status.ABORTED, details: 'taken over', metadata: new Metadata() });
      const { length } = receiver.messages;
      const { code, details } = await within('the status', end);
      assert.deepEqual([code, details], [status.ABORTED, 'taken over']);
      await assertClosed(receiver);
      assert.equal(receiver.messages.length, length);
    });

    it('that is discarded drops what comes and writes no more to the memory it had', async (t) => {
      const server = await serveUploads(t, { direct });
      const { stream, answer } = await rawUpload(t, server.port);
      const bytes = framed(serialized({ chunk: noise.subarray(0, 10_000) }));
      // Half of it first, so that it is in the middle of a chunk where that can be.
      stream.write(bytes.subarray(0, 5000));
      const receiver = await firstReceiver(server);
      await until('a chunk that arrives', () => !direct || receiver.memory !== null);
      const { memory } = receiver;
      receiver.call.discard();
      memory?.fill(0xdd);
      stream.write(bytes.subarray(5000));
      for (let i = 0; i < 100; i++) stream.write(bytes);
      await until('all that was sent', () => (server.sockets[0]?.bytesRead ?? 0) > 100 * bytes.length);
      assert.equal(receiver.messages.length, 0);
      assert.ok(memory === null || memory.equals(Buffer.alloc(10_000, 0xdd)));
      receiver.call.fail({ code: status.ABORTED, details: 'gone', metadata: new Metadata() });
      stream.end();
      assert.equal((await within('the answer', answer))['grpc-status'], String(status.ABORTED));
    });

    it('with a chunk above the limit fails with RESOURCE_EXHAUSTED', async (t) => {
      const server = await serveUploads(t, { direct, maxChunkBytes: 1000 });
      const { call } = grpcUpload(t, server.port);
      call.write({ chunk: noise.subarray(0, 1000) });
      call.write({ chunk: noise.subarray(0, 1001) });
      const receiver = await firstReceiver(server);
      await until('the failure', () => receiver.failures.length > 0);
      assert.deepEqual(
        receiver.failures.map(({ code }) => code),
        ['RESOURCE_EXHAUSTED'],
      );
      assert.equal(receiver.messages.length, 1);
    });

    it('ends with what its receiver throws', async (t) => {
      const server = await serveUploads(t, { direct }, (receiver) => {
        receiver.onMessage = () => {
          throw new TransferError('GAP', 'a gap');
        };
      });
      const { call } = grpcUpload(t, server.port);
      call.write({ chunk: noise.subarray(0, 10) });
      call.write({ chunk: noise.subarray(0, 10) });
      const receiver = await firstReceiver(server);
      await until('the failure', () => receiver.failures.length > 0);
      assert.equal(receiver.failures[0]?.code, 'GAP');
      assert.equal(receiver.messages.length, 1);
    });

    it('whose sender sends nothing for the stall timeout fails with STALLED', async (t) => {
      const server = await serveUploads(t, { direct, stallTimeoutMs: 500 });
      const { call } = grpcUpload(t, server.port);
      call.write({ chunk: noise.subarray(0, 10) });
      const receiver = await firstReceiver(server);
      await until('the failure', () => receiver.failures.length > 0);
      assert.equal(receiver.failures[0]?.code, 'STALLED');
      assert.equal(receiver.messages.length, 1);
    });

    it('that waits for its receiver does not stall', async (t) => {
      const server = await serveUploads(t, { direct, stallTimeoutMs: 500 }, (receiver) => {
        receiver.hasMemory = false;
      });
      const paused = await serveUploads(t, { direct, stallTimeoutMs: 500 }, (receiver) => {
        receiver.pausesInMessages = true;
      });
      const stalling = await serveUploads(t, { direct, stallTimeoutMs: 1000 });
      for (const { port } of [server, paused, stalling]) {
        grpcUpload(t, port).call.write({ chunk: noise.subarray(0, 10) });
      }
      const later = await firstReceiver(stalling);
      await until('another call stalled', () => later.failures.length > 0);
      for (const { receivers } of [server, paused]) assert.deepEqual(receivers[0]?.failures, []);
    });

    it('does not stall while the event loop is blocked', async (t) => {
      const server = await serveUploads(t, { direct, stallTimeoutMs: 1000 }, respondAtEnd);
      const { call, end } = grpcUpload(t, server.port);
      call.write({ chunk: noise.subarray(0, 10) });
      const receiver = await firstReceiver(server);
      await until('the first message', () => receiver.messages.length > 0);
      blockFor(1500);
      call.write({ chunk: noise.subarray(10, 20) });
      call.end();
      assert.equal((await within('the response', end)).code, status.OK);
      assert.deepEqual([receiver.messages.length, receiver.failures], [2, []]);
    });

    const phases: [string, (receiver: TestReceiver) => void, (receiver: TestReceiver) => boolean][] = [
      ['being read', () => {}, (receiver) => receiver.messages.length > 0],
      [
        'waiting for memory',
        (receiver) => {
          receiver.hasMemory = false;
        },
        (receiver) => receiver.refusals > 0,
      ],
      [
        'paused',
        (receiver) => {
          receiver.pausesInMessages = true;
        },
        (receiver) => receiver.messages.length > 0,
      ],
      ['discarded', (receiver) => receiver.call.discard(), () => true],
    ];
    const endings: [string, (upload: GrpcUpload, server: UploadServer) => unknown][] = [
      ['is cancelled', ({ call }) => call.cancel()],
      ['loses its connection', (_upload, server) => server.sockets[0]?.destroy()],
      ['is reset', (_upload, server) => server.receivers[0]?.call.reset()],
    ];
    for (const [phase, prepare, isReached] of phases) {
      for (const [how, end] of endings) {
        it(`that ${how} while it is ${phase} closes, and is then told so once`, async (t) => {
          const server = await serveUploads(t, { direct }, prepare);
          const upload = grpcUpload(t, server.port);
          for (let i = 0; i < 10; i++) upload.call.write({ chunk: noise.subarray(0, 100_000) });
          const receiver = await firstReceiver(server);
          let closes = 0;
          receiver.call.onClose(() => (closes += 1));
          await until(phase, () => isReached(receiver));
          end(upload, server);
          await assertClosed(receiver);
          await until('the listener is told', () => closes > 0);
          const { length } = receiver.messages;
          // Nothing of this does anything any more.
          receiver.hasMemory = true;
          receiver.call.proceed();
          receiver.call.sendHeader('sluice-late', 'yes');
          receiver.call.fail({ code: status.INTERNAL, details: 'late', metadata: new Metadata() });
          receiver.call.respond(Buffer.from('late'));
          receiver.call.reset();
          assert.equal(receiver.messages.length, length);
          assert.equal(closes, 1);
          assert.equal(receiver.endings, 0);
          assert.notEqual((await within('the end', upload.end)).code, status.OK);
        });
      }
    }

    it('that responds early ends the call for a client that has not half-closed', async (t) => {
      const server = await serveUploads(t, { direct }, (receiver) => {
        receiver.onMessage = () => receiver.call.respond(Buffer.from('enough'));
      });
      const { call, end } = grpcUpload(t, server.port);
      call.write({ chunk: noise.subarray(0, 10) });
      const { code, response } = await within('the response', end);
      assert.deepEqual([code, String(response)], [status.OK, 'enough']);
      assert.equal((await firstReceiver(server)).messages.length, 1);
    });

    it('sends headers before its end', async (t) => {
      const server = await serveUploads(t, { direct });
      const { call } = grpcUpload(t, server.port);
      const metadata = new Promise<Metadata>((resolve) => call.on('metadata', resolve));
      (await firstReceiver(server)).call.sendHeader('sluice-upload-id', 'abc');
      assert.deepEqual((await within('the headers', metadata)).get('sluice-upload-id'), ['abc']);
    });
  });
}

describe('an upload call read directly', () => {
  async function rawScene(t: TestContext, prepare?: (receiver: TestReceiver) => void) {
    const server = await serveUploads(t, {}, prepare);
    const upload = await rawUpload(t, server.port);
    return { server, ...upload };
  }

  const message = framed(serialized({ chunk: noise.subarray(0, 1000), offset: 5 }));
  for (const cut of [1, 5, 6, 8, 500, message.length - 1]) {
    it(`that ends after ${cut} bytes of a message fails with INVALID_ARGUMENT`, async (t) => {
      const { server, stream } = await rawScene(t);
      stream.end(Buffer.concat([message, message.subarray(0, cut)]));
      const receiver = await firstReceiver(server);
      await until('the failure', () => receiver.failures.length > 0);
      assert.deepEqual(
        receiver.failures.map(({ code }) => code),
        ['INVALID_ARGUMENT'],
      );
      assert.deepEqual([receiver.messages.length, receiver.endings], [1, 0]);
    });
  }

  it('fails with INVALID_ARGUMENT where the fields beside the chunk cannot be decoded', async (t) => {
    const { server, stream } = await rawScene(t);
    // Field 7 holds a message, and these bytes are none.
    stream.write(framed(Buffer.from([0x3a, 2, 0xff, 0xff])));
    const receiver = await firstReceiver(server);
    await until('the failure', () => receiver.failures.length > 0);
    assert.equal(receiver.failures[0]?.code, 'INVALID_ARGUMENT');
  });

  for (const [encoding, algorithm] of [
    ['deflate', 1],
    ['gzip', 2],
  ] as const) {
    it(`takes messages compressed with ${encoding}, paused and without memory as others`, async (t) => {
      const server = await serveUploads(t, { direct: true }, (receiver) => {
        receiver.pausesInMessages = true;
        receiver.onMessage = () => setImmediate(() => receiver.call.proceed());
        respondAtEnd(receiver);
      });
      const client = grpcClient(t, server.port, { 'grpc.default_compression_algorithm': algorithm });
      const { call, end } = grpcUpload(t, server.port, client);
      const zeros = Buffer.alloc(1_000_000);
      const chunks = [noise.subarray(0, 999_999), zeros, noise.subarray(0, 0), noise.subarray(0, 1), zeros];
      for (const [i, chunk] of chunks.entries()) call.write({ chunk, offset: i });
      const receiver = await firstReceiver(server);
      receiver.hasMemory = false;
      await until('a chunk without memory', () => receiver.refusals > 0);
      receiver.hasMemory = true;
      receiver.call.proceed();
      call.end();
      assert.equal((await within('the response', end)).code, status.OK);
      assert.deepEqual(
        receiver.messages.map(({ offset }) => offset),
        chunks.map((_, i) => i),
      );
      for (const [i, chunk] of chunks.entries()) assert(chunk.equals(receiver.chunks[i] as Buffer));
    });
  }

  for (const [what, message, code] of [
    [
      'decompresses to more than a message may have',
      gzipSync(Buffer.alloc(2_000_000, Buffer.from([0x78, 1]))),
      'RESOURCE_EXHAUSTED',
    ],
    ['is not gzip', Buffer.alloc(100, 1), 'INVALID_ARGUMENT'],
    ['decompresses to half a message', gzipSync(Buffer.from([0x0a, 9, 1])), 'INVALID_ARGUMENT'],
  ] as const) {
    it(`ends a call whose compressed message ${what} with ${code}`, async (t) => {
      const server = await serveUploads(t, { direct: true });
      const { session } = await rawUpload(t, server.port);
      const stream = session.request({
        ':method': 'POST',
        ':path': '/test.Upload/Stream',
        'content-type': 'application/grpc',
        'grpc-encoding': 'gzip',
      });
      stream.on('error', () => {});
      stream.end(framed(message, true));
      const failed = () => server.receivers.find(({ failures }) => failures.length > 0);
      await until('the failure', () => failed() !== undefined);
      assert.equal(failed()?.failures[0]?.code, code);
    });
  }

  it('refuses compressed messages of a call that names no encoding with UNIMPLEMENTED', async (t) => {
    const { server, stream } = await rawScene(t);
    stream.write(framed(Buffer.alloc(10), true));
    const receiver = await firstReceiver(server);
    await until('the failure', () => receiver.failures.length > 0);
    assert.equal(receiver.failures[0]?.code, 'UNIMPLEMENTED');
  });

  for (const code of [
    constants.NGHTTP2_CANCEL,
    constants.NGHTTP2_NO_ERROR,
    constants.NGHTTP2_INTERNAL_ERROR,
  ]) {
    it(`that its peer resets with code ${code} closes or ends, in the middle of a chunk`, async (t) => {
      const { server, stream } = await rawScene(t);
      stream.write(message.subarray(0, 500));
      const receiver = await firstReceiver(server);
      await until('a chunk that arrives', () => receiver.memory !== null);
      stream.close(code);
      await assertClosed(receiver);
      assert.equal(receiver.messages.length, 0);
      assert.equal(receiver.endings, 0);
    });

    it(`that its peer resets with code ${code}, while it waits for memory, closes at the latest when there is`, async (t) => {
      let closes = 0;
      const { server, stream } = await rawScene(t, (receiver) => {
        receiver.hasMemory = false;
        receiver.call.onClose(() => (closes += 1));
      });
      stream.write(Buffer.concat([message, message]));
      const receiver = await firstReceiver(server);
      await until('a refusal', () => receiver.refusals > 0);
      stream.close(code);
      await until('closed', () => receiver.call.isClosed);
      receiver.hasMemory = true;
      receiver.call.proceed();
      await until('the listener is told', () => closes === 1);
    });
  }

  it('goes on in other memory in the middle of a chunk', async (t) => {
    const { server, stream } = await rawScene(t);
    stream.write(message.subarray(0, 500));
    const receiver = await firstReceiver(server);
    await until('a chunk that arrives', () => receiver.memory !== null);
    const old = receiver.memory as Buffer;
    receiver.memory = Buffer.from(old);
    receiver.call.moveChunk(receiver.memory);
    old.fill(0);
    stream.write(message.subarray(500));
    await until('the message', () => receiver.messages.length > 0);
    assert.ok(receiver.chunks[0]?.equals(noise.subarray(0, 1000)));
    assert.ok(old.every((byte) => byte === 0));
  });

  it('widens the windows of its connection, once', async (t) => {
    const server = await serveUploads(t, { windows: new StaticWindows(4_000_000) }, (receiver) => {
      receiver.hasMemory = false;
    });
    const { stream, session } = await rawUpload(t, server.port);
    stream.write(Buffer.concat(Array.from({ length: 3000 }, () => message)));
    const receiver = await firstReceiver(server);
    await until('a refusal', () => receiver.refusals > 0);
    await until('the wider window', () => session.remoteSettings.initialWindowSize === 4_000_000);
    await until('a window of bytes', () => (server.sockets[0]?.bytesRead ?? 0) > 3_000_000);
    assert.equal(receiver.messages.length, 0);
  });
});
