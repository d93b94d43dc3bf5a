import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Http2Stream } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { clientStreamOf, serverStreamOf, watchClientStreams } from '../../../src/flow/calls/call-stream.ts';

const passThrough = (bytes: Buffer) => bytes;
const NODE_MAJOR = Number(process.versions.node.split('.')[0]);

/** Calls a server of this process once; resolves with the streams that either side found. */
async function callOnce(t: TestContext, userAgent: string, options: Record<string, number> = {}) {
  const server = new Server();
  const found: { client?: Http2Stream | undefined; server?: Http2Stream | undefined } = {};
  const handle = (call: { end(): void; write(bytes: Buffer): void }) => {
    found.server = serverStreamOf(call);
    call.write(Buffer.alloc(1));
    call.end();
  };
  server.register('/test.Stream/Of', handle, passThrough, passThrough, 'serverStream');
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket)).listen(0, '127.0.0.1');
  t.after(() => {
    listener.close();
    server.forceShutdown();
  });
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    ...options,
    'grpc.primary_user_agent': userAgent,
    'grpc.use_local_subchannel_pool': 1,
  });
  t.after(() => client.close());
  const call = client.makeServerStreamRequest('/test.Stream/Of', passThrough, passThrough, Buffer.alloc(0));
  call.once('metadata', () => {
    found.client = clientStreamOf(call);
  });
  await once(call.resume(), 'end');
  return found;
}

describe('the stream below a call', () => {
  for (const retries of [0, 1]) {
    it(`is found on both sides, with grpc.enable_retries ${retries}`, async (t) => {
      const { client, server } = await callOnce(t, 'test', { 'grpc.enable_retries': retries });
      assert.equal(client?.sentHeaders?.[':path'], '/test.Stream/Of');
      assert.ok(server !== undefined && server !== client);
    });
  }

  it('is not found in what is no call', () => {
    for (const odd of [{}, { call: {} }, { call: { call: { child: null } } }, { call: null }]) {
      assert.equal(clientStreamOf(odd), undefined);
    }
    assert.equal(serverStreamOf({}), undefined);
  });

  it('is told of in public from Node 22 on, to those who ask for its user agent', async (t) => {
    const seen: Http2Stream[] = [];
    const others: Http2Stream[] = [];
    t.after(watchClientStreams('sluice-test', (stream) => seen.push(stream)));
    t.after(watchClientStreams('somebody-else', (stream) => others.push(stream)));
    const { client } = await callOnce(t, 'sluice-test');
    assert.deepEqual(
      seen.map((stream) => stream === client),
      NODE_MAJOR >= 22 ? [true] : [],
    );
    assert.equal(others.length, 0);
  });
});
