import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import {
  Client,
  credentials,
  type handleClientStreamingCall,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { MIB } from '../../../src/base/units.ts';
import { serverStreamOf } from '../../../src/flow/calls/call-stream.ts';
import { DirectWrites, FrameWriter } from '../../../src/flow/calls/frame-writer.ts';
import { DIRECT_WRITE_OPTIONS, directWritesWork } from '../../../src/flow/self-tests/direct-write-test.ts';
import { FRAME_HEADER_BYTES } from '../../../src/wire/chunk-header.ts';
import { until } from '../../support/until.ts';
import { type Gate, gateTo } from './bulk-server.ts';

const PATH = '/test.Frames/Send';
const passThrough = (bytes: Buffer) => bytes;

type Handle = handleClientStreamingCall<Buffer, Buffer>;

/** Answers with what it was sent. */
const echo: Handle = (call, respond) => {
  const received: Buffer[] = [];
  call.on('data', (message: Buffer) => received.push(message));
  call.on('end', () => respond(null, Buffer.concat(received)));
  call.on('error', () => {});
};

function echoing(t: TestContext): Promise<Client> {
  return clientOf(t, echo, async (port) => port);
}

/** A client of a server, behind the port that `through` makes of the server's. */
async function clientOf(
  t: TestContext,
  handle: Handle,
  through: (port: number) => Promise<number>,
): Promise<Client> {
  const server = new Server({
    'grpc.max_receive_message_length': -1,
    'grpc-node.flow_control_window': 64 * MIB,
  });
  server.register(PATH, handle, passThrough, passThrough, 'clientStream');
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const options = { ...DIRECT_WRITE_OPTIONS, 'grpc.max_receive_message_length': -1 };
  const client = new Client(`127.0.0.1:${await through(port)}`, credentials.createInsecure(), options);
  t.after(() => {
    client.close();
    server.forceShutdown();
  });
  return client;
}

function framed(size: number, fill: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + size, fill);
  frame[0] = 0;
  frame.writeUInt32BE(size, 1);
  return frame;
}

/** Sends frames, so many outstanding, and ends the call at once behind the last. */
async function sent(client: Client, writes: DirectWrites, sizes: readonly number[], atOnce = 2) {
  const frames = sizes.map((size, index) => framed(size, index + 1));
  let ordinary = 0;
  const serialize = (bytes: Buffer) => {
    ordinary += 1;
    return bytes;
  };
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const call = client.makeClientStreamRequest<Buffer, Buffer>(
      PATH,
      serialize,
      passThrough,
      (error, response) =>
        response === undefined ? reject(error ?? new Error('nothing')) : resolve(response),
    );
    const writer = new FrameWriter(call as never, writes);
    let next = 0;
    let outstanding = 0;
    const flush = () => {
      while (outstanding < atOnce && next < frames.length) {
        outstanding += 1;
        writer.write(frames[next++] as Buffer, () => {
          outstanding -= 1;
          flush();
        });
        if (next === frames.length) writer.end();
      }
    };
    flush();
  });
  const messages = frames.map((frame) => frame.subarray(FRAME_HEADER_BYTES));
  return { answer, ordinary, expected: Buffer.concat(messages) };
}

const SIZES = [20, MIB, 3 * MIB, 1, 0, MIB, 70_000, 2 * MIB, 5, 16_384, 300_000];

describe('frames', () => {
  it('arrive in order, whether they begin to go straight under way or with the first', async (t) => {
    const client = await echoing(t);
    let tests = 0;
    const writes = new DirectWrites(async () => {
      tests += 1;
      return await directWritesWork();
    });
    for (const straight of [false, true]) {
      assert.equal(writes.work, straight);
      const { answer, expected, ordinary } = await sent(client, writes, SIZES);
      assert.ok(answer.equals(expected));
      assert.ok(straight ? ordinary === 1 : ordinary > 1, `${ordinary} ordinary messages`);
      await writes.tested();
    }
    assert.equal(tests, 1);
  });

  it('arrive in order, and before the end, however few or many are given at once', async (t) => {
    const client = await echoing(t);
    const writes = new DirectWrites(directWritesWork);
    await writes.tested();
    for (const sizes of [[5], [5, 6], [20, 30_000, 7], SIZES]) {
      for (const atOnce of [1, 2, 3, 100]) {
        const { answer, expected } = await sent(client, writes, sizes, atOnce);
        assert.ok(answer.equals(expected), `${sizes.join(' ')} with ${atOnce} at once`);
      }
    }
  });

  it('arrive where they cannot go straight', async (t) => {
    const client = await echoing(t);
    const writes = new DirectWrites(async () => false);
    for (let i = 0; i < 2; i += 1) {
      const { answer, expected } = await sent(client, writes, SIZES);
      assert.ok(answer.equals(expected));
    }
    assert.equal(writes.work, false);
  });

  it('that are few do not cause a test', async (t) => {
    const client = await echoing(t);
    const writes = new DirectWrites(() => assert.fail('tested'));
    const { answer, expected } = await sent(client, writes, [10, 1000]);
    assert.ok(answer.equals(expected));
  });

  it('end with the call when the connection goes, and nothing is thrown', async (t) => {
    const client = await echoing(t);
    const writes = new DirectWrites(directWritesWork);
    await writes.tested();
    const failure = await new Promise<{ code?: number } | null>((resolve) => {
      const call = client.makeClientStreamRequest<Buffer, Buffer>(PATH, passThrough, passThrough, resolve);
      const writer = new FrameWriter(call as never, writes);
      const frame = framed(MIB, 1);
      writer.write(framed(7, 1), () => {
        writer.write(frame, () => {
          call.cancel();
          for (let i = 0; i < 3; i += 1) writer.write(frame, () => assert.fail('done'));
        });
      });
    });
    assert.equal(failure?.code, 1);
  });

  it('are not done, when the server resets the call, while the connection takes no more', async (t) => {
    let gate: Gate | undefined;
    let reset: (() => void) | undefined;
    const handle: Handle = (call) => {
      call.on('data', () => {});
      call.on('error', () => {});
      reset = () => serverStreamOf(call)?.close(constants.NGHTTP2_CANCEL);
    };
    const client = await clientOf(t, handle, async (port) => {
      gate = await gateTo(t, port, 'client');
      return gate.port;
    });
    const writes = new DirectWrites(directWritesWork);
    await writes.tested();
    let failed: (error: unknown) => void = () => {};
    const failure = new Promise((resolve) => (failed = resolve));
    const call = client.makeClientStreamRequest<Buffer, Buffer>(PATH, passThrough, passThrough, failed);
    const writer = new FrameWriter(call as never, writes);
    await new Promise<void>((resolve) => writer.write(framed(7, 1), resolve));
    await until('the call at the server', () => reset !== undefined);
    gate?.shut();
    let dones = 0;
    writer.write(framed(32 * MIB, 2), () => (dones += 1));
    reset?.();
    // The reset has come before the answer to a whole call, where this Node reads while it writes.
    await sent(await echoing(t), writes, SIZES);
    assert.equal(dones, 0);
    gate?.open();
    assert.ok(await failure);
  });
});

describe('the self-test of direct writes', () => {
  it('passes on this Node with the pinned grpc-js', async () => {
    assert.equal(await directWritesWork(), true);
  });

  it('leaves no socket behind', async () => {
    await directWritesWork();
    const left = () =>
      process.getActiveResourcesInfo().filter((resource) => /TCP|Pipe.*Socket/.test(resource));
    await until('all sockets closed', () => left().length === 0);
  });
});
