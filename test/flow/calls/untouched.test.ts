import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { MIB } from '../../../src/base/units.ts';
import { until } from '../../support/until.ts';
import { type Gate, gateTo, type RawCall, rawCall, runOf, serveBulk, type TestCall } from './bulk-server.ts';
import type { InjectedServer } from './injected-server.ts';

/** Half of it is more than the socket buffers of both ends of a connection hold. */
const RUN_BYTES = 32 * MIB;
const SENT = 0x11;
const OVERWRITTEN = 0xee;

interface Scene {
  server: InjectedServer;
  gate: Gate;
  client: RawCall;
  call: TestCall;
  run: Uint8Array;
  dones: number;
}

/** A run is on its way to a client whose connection takes no more bytes. */
async function stuckRun(t: TestContext, windowBytes: number): Promise<Scene> {
  let called: (call: TestCall) => void = () => {};
  const incoming = new Promise<TestCall>((resolve) => (called = resolve));
  const server = await serveBulk(t, true, called);
  const gate = await gateTo(t, server.port);
  const client = await rawCall(t, gate.port, windowBytes);
  const call = await incoming;
  const run = runOf([SENT], RUN_BYTES);
  const scene: Scene = { server, gate, client, call, run, dones: 0 };
  gate.shut();
  call.write(run, () => (scene.dones += 1));
  const [socket] = server.sockets;
  assert.ok(socket);
  await until('the first bytes in the kernel', () => socket.bytesWritten > MIB);
  return scene;
}

/** Whether the promise is resolved by the time that a whole call on another connection has taken. */
async function isResolved(t: TestContext, promise: Promise<unknown>): Promise<boolean> {
  let resolved = false;
  void promise.then(() => (resolved = true));
  const { port } = await serveBulk(t, true, (call) => call.end());
  await (await rawCall(t, port)).body;
  for (let turn = 0; turn < 20; turn++) await setImmediate();
  return resolved;
}

describe('a run that is sent zero copy', () => {
  it('reaches the client overwritten when it is overwritten too early: nothing copies it', async (t) => {
    const { gate, call, run, client } = await stuckRun(t, 2 * RUN_BYTES);
    run.fill(OVERWRITTEN);
    gate.open();
    await call.untouched();
    call.end();
    await client.body;
    assert.ok(Buffer.concat(gate.passed).includes(Buffer.alloc(10_000, OVERWRITTEN)));
  });
});

for (const [share, windowBytes] of [
  ['all', 2 * RUN_BYTES],
  ['half', RUN_BYTES / 2],
] as const) {
  describe(`a run, ${share} of it within the window, that is reset on a connection that takes no more`, () => {
    it('is not untouched before the client takes bytes again, and is then', async (t) => {
      const { gate, call } = await stuckRun(t, windowBytes);
      call.reset();
      const untouched = call.untouched();
      assert.equal(await isResolved(t, untouched), false);
      gate.open();
      await untouched;
    });

    it('never reaches the client overwritten when it is overwritten once untouched', async (t) => {
      const { gate, call, run, client } = await stuckRun(t, windowBytes);
      call.reset();
      const overwritten = call.untouched().then(() => run.fill(OVERWRITTEN));
      await isResolved(t, overwritten);
      gate.open();
      await overwritten;
      await client.body;
      await pingOf(client);
      const passed = Buffer.concat(gate.passed);
      assert.ok(passed.includes(Buffer.alloc(10_000, SENT)));
      assert.ok(!passed.includes(Buffer.alloc(100, OVERWRITTEN)));
    });

    it('is not done while the connection takes no more', async (t) => {
      const scene = await stuckRun(t, windowBytes);
      scene.call.reset();
      await isResolved(t, scene.call.untouched());
      assert.equal(scene.dones, 0);
    });

    it('is untouched once the session is gone', async (t) => {
      const { server, call } = await stuckRun(t, windowBytes);
      call.reset();
      const untouched = call.untouched();
      assert.equal(await isResolved(t, untouched), false);
      server.sockets[0]?.destroy();
      await untouched;
    });
  });

  describe(`a run, ${share} of it within the window, that the client cancels and takes no more of`, () => {
    // Node 26 hears of it at once and answers the write, Node 24 hears of it behind the write.
    it('is neither untouched nor done before the client takes bytes again', async (t) => {
      const scene = await stuckRun(t, windowBytes);
      scene.client.stream.close(constants.NGHTTP2_CANCEL);
      const untouched = scene.call.untouched();
      assert.equal(await isResolved(t, untouched), false);
      assert.equal(scene.dones, 0);
      scene.gate.open();
      await untouched;
    });
  });

  describe(`a run, ${share} of it within the window, whose connection is lost`, () => {
    it('is untouched after that and not before', async (t) => {
      const { call, client } = await stuckRun(t, windowBytes);
      const untouched = call.untouched();
      assert.equal(await isResolved(t, untouched), false);
      client.session.destroy();
      await untouched;
    });
  });
}

describe('many runs cut off on one stuck connection', () => {
  it('are all untouched in the end, more of them than a session takes pings at once', async (t) => {
    const calls: TestCall[] = [];
    const server = await serveBulk(t, true, (call) => calls.push(call));
    const gate = await gateTo(t, server.port);
    // Half of each run fits the window and is on its way, the other half never will be.
    const { session } = await rawCall(t, gate.port, 2 * MIB);
    for (let i = 0; i < 29; i++) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/test.Bulk/Stream',
        'content-type': 'application/grpc',
      });
      stream.on('error', () => {});
      stream.resume();
      stream.end(Buffer.alloc(5));
    }
    await until('thirty calls', () => calls.length === 30);
    gate.shut();
    const run = runOf([SENT], 4 * MIB);
    for (const call of calls) call.write(run, () => {});
    const all = Promise.all(calls.map((call) => call.untouched()));
    for (const call of calls) call.reset();
    gate.open();
    await all;
  });
});

/** A round trip on the client's connection, behind all that the server has sent. */
async function pingOf({ session }: RawCall): Promise<void> {
  const answered = new Promise<void>((resolve) => session.ping(() => resolve()));
  await Promise.race([answered, once(session, 'close')]);
}
