import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Http2Session } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { AgentSession } from '../../src/flow/agent-session.ts';
import { CallLink } from '../../src/flow/call-link.ts';
import { clientStreamOf } from '../../src/flow/call-stream.ts';
import { markSession } from '../../src/flow/marks.ts';
import { until } from '../support/until.ts';

const passThrough = (bytes: Buffer) => bytes;
const NODE_MAJOR = Number(process.versions.node.split('.')[0]);
const PATH = '/test.Agent/Send';

/** A call of a channel of its own, whose first message was taken. */
async function openCall(t: TestContext) {
  const server = new Server();
  server.register(
    PATH,
    (call: { resume(): void }) => call.resume(),
    passThrough,
    passThrough,
    'clientStream',
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const agent = new AgentSession();
  const client = new Client(
    `127.0.0.1:${(listener.address() as AddressInfo).port}`,
    credentials.createInsecure(),
    // As an upload has it: without a buffer for retries, a message is taken when the transport has it.
    { ...agent.channelOptions, 'grpc.use_local_subchannel_pool': 1, 'grpc.per_rpc_retry_buffer_size': 0 },
  );
  const call = client.makeClientStreamRequest(PATH, passThrough, passThrough, () => {});
  call.on('error', () => {});
  t.after(() => {
    call.cancel();
    client.close();
    listener.close();
    server.forceShutdown();
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

  it('echoes marks of a call, found either way', async (t) => {
    const { agent, call } = await openCall(t);
    for (const known of [agent.newest, undefined]) {
      const link = CallLink.of(call, known);
      await new Promise<void>((resolve) => assert.equal(link?.mark(resolve), true));
    }
  });

  it('takes a few marks at a time, and more after their echoes', async (t) => {
    const { session } = await openCall(t);
    let echoes = 0;
    const mark = () => markSession(session, () => (echoes += 1));
    for (const _ of [1, 2]) {
      echoes = 0;
      const taken = Array.from({ length: 10 }, mark).filter((isTaken) => isTaken).length;
      assert.ok(taken > 0 && taken < 10);
      await until('all of them are echoed', () => echoes === taken);
    }
    session.destroy();
    assert.equal(mark(), false);
    assert.equal(
      markSession(undefined, () => {}),
      false,
    );
  });
});
