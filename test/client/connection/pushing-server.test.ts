/** Servers that push streams, which no gRPC server does. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { SluiceClient } from '../../../src/client-library.ts';
import { FrameReader } from '../../support/fuzz/frame-reader.ts';
import { callBlock, frame, headers } from '../../support/peers/h2-frames.ts';

const PREFACE_BYTES = 24;
const HEADERS = 1;
const SETTINGS = 4;
const PUSH_PROMISE = 5;
const END_HEADERS = 4;
const ENABLE_PUSH = 2;

/** Calls `onFrame` with each frame of a client; resolves with the address of the server. */
async function serve(
  t: TestContext,
  onFrame: (socket: Socket, type: number, bytes: Buffer) => void,
): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    socket.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)));
    let preface = PREFACE_BYTES;
    const reader = new FrameReader((type, _flags, bytes) => onFrame(socket, type, bytes));
    socket.on('data', (bytes) => {
      const first = bytes.subarray(0, preface);
      preface -= first.length;
      reader.read(bytes.subarray(first.length));
    });
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

function clientOf(t: TestContext, address: string): SluiceClient {
  // Node 20 does not notice that a session is broken, so the call ends with its time.
  const timeouts = { connectTimeoutMs: 500, stallTimeoutMs: 500 };
  const client = new SluiceClient(address, { ...timeouts, ownConnection: true, retry: { attempts: 1 } });
  t.after(() => client.close());
  return client;
}

test('a client says that it takes no pushed streams', async (t) => {
  const settings = new Map<number, number>();
  const address = await serve(t, (socket, type, bytes) => {
    if (type === HEADERS) socket.destroy();
    if (type !== SETTINGS) return;
    for (let at = 9; at < bytes.length; at += 6)
      settings.set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
  });

  await assert.rejects(clientOf(t, address).stat('file'));
  assert.equal(settings.get(ENABLE_PUSH), 0);
});

test('a server that pushes a stream and then breaks the connection does not end the process', async (t) => {
  const address = await serve(t, (socket, type, bytes) => {
    if (type !== HEADERS) return;
    const stream = bytes.readUInt32BE(5);
    const promised = Buffer.alloc(4);
    promised.writeUInt32BE(2);
    socket.write(frame(PUSH_PROMISE, END_HEADERS, stream, Buffer.concat([promised, callBlock('StatFile')])));
    // A field of the table that has no such field.
    socket.write(headers(stream, Buffer.of(0xff, 0xff, 0xff, 0x7f)));
  });

  await assert.rejects(clientOf(t, address).stat('file'), { name: 'TransferError' });
  // What ends the process would come by the next turns of the event loop.
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
});
