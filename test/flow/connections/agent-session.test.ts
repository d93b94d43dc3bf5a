import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, type Http2Session } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { clientStreamOf, serverStreamOf } from '../../../src/flow/calls/call-stream.ts';
import { pingBarrier } from '../../../src/flow/calls/ping-barrier.ts';
import { AgentSession } from '../../../src/flow/connections/agent-session.ts';
import { CallLink } from '../../../src/flow/connections/call-link.ts';
import { until } from '../../support/until.ts';

const passThrough = (bytes: Buffer) => bytes;
const NODE_MAJOR = Number(process.versions.node.split('.')[0]);
const PATH = '/test.Agent/Send';

interface TestServer {
  readonly port: number;
  /** The server's end of the newest connection. */
  session: Http2Session | undefined;
}

async function startServer(t: TestContext): Promise<TestServer> {
  const server = new Server();
  const handle = (call: { resume(): void }) => {
    started.session = serverStreamOf(call)?.session;
    call.resume();
  };
  server.register(PATH, handle, passThrough, passThrough, 'clientStream');
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const started: TestServer = { port: (listener.address() as AddressInfo).port, session: undefined };
  t.after(() => {
    listener.close();
    server.forceShutdown();
  });
  return started;
}

/** A call of a channel of its own, whose first message was taken. */
async function openCall(t: TestContext, server?: TestServer) {
  const { port } = server ?? (await startServer(t));
  const agent = new AgentSession();
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    ...agent.channelOptions,
    'grpc.use_local_subchannel_pool': 1,
    // As an upload has it: without a buffer for retries, a message is taken when the transport has it.
    'grpc.per_rpc_retry_buffer_size': 0,
  });
  const call = client.makeClientStreamRequest(PATH, passThrough, passThrough, () => {});
  call.on('error', () => {});
  t.after(() => {
    call.cancel();
    client.close();
  });
  await new Promise<void>((resolve) => call.write(Buffer.alloc(1), () => resolve()));
  const session = clientStreamOf(call)?.session as Http2Session;
  return { agent, call, session };
}

describe('the connection of a channel', () => {
  it('is known in public from Node 22 on, each by itself', async (t) => {
    const [one, other] = [await openCall(t), await openCall(t)];
    for (const { agent, session } of [one, other]) {
      assert.equal(agent.newest, NODE_MAJOR >= 22 ? session : undefined);
    }
    one.session.destroy();
    await until('it is forgotten', () => one.agent.newest === undefined);
    assert.equal(other.agent.newest, NODE_MAJOR >= 22 ? other.session : undefined);
  });

  it('echoes the ping barriers of a call, found either way', async (t) => {
    const { agent, call } = await openCall(t);
    for (const known of [agent.newest, undefined]) {
      const link = CallLink.of(call, known);
      await new Promise<void>((resolve) => assert.equal(link?.pingBarrier(resolve), true));
    }
  });

  it('gets no ping barriers once its peer has ended another one for what it was used for', async (t) => {
    const server = await startServer(t);
    const first = await openCall(t, server);
    const ofFirst = CallLink.of(first.call, first.agent.newest);
    await new Promise<void>((resolve) => assert.equal(ofFirst?.pingBarrier(resolve), true));
    const goaway = once(first.session, 'goaway');
    server.session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await goaway;
    const next = await openCall(t, server);
    assert.equal(CallLink.of(next.call, next.agent.newest)?.pingBarrier(assert.fail), false);
    assert.equal(
      pingBarrier(next.session, () => {}),
      true,
    );
  });

  it('takes a few ping barriers at a time, and more after their echoes', async (t) => {
    const { session } = await openCall(t);
    let echoes = 0;
    const barrier = () => pingBarrier(session, () => (echoes += 1));
    for (const _ of [1, 2]) {
      echoes = 0;
      const taken = Array.from({ length: 10 }, barrier).filter((isTaken) => isTaken).length;
      assert.ok(taken > 0 && taken < 10);
      await until('all of them are echoed', () => echoes === taken);
    }
    session.destroy();
    assert.equal(barrier(), false);
    assert.equal(
      pingBarrier(undefined, () => {}),
      false,
    );
  });
});
