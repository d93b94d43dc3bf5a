/** A session that a peer broke does not keep its connection. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { destroyOnceBroken } from '../../../src/flow/gate/broken-session.ts';
import { callBlock, data, headers, opening } from '../../support/peers/h2-frames.ts';
import { until } from '../../support/until.ts';

const LOOK_EVERY_MS = 20;

interface Scene {
  peer: Socket;
  session: ServerHttp2Session;
  stream: ServerHttp2Stream;
  pings: number;
}

/** A session with one open stream, whose peer never answers a PING. */
async function scene(t: TestContext): Promise<Scene> {
  const server = createServer();
  let socket: Socket | undefined;
  server.prependListener('connection', (accepted: Socket) => {
    socket = accepted;
  });
  server.on('sessionError', () => {});
  const begun = new Promise<{ session: ServerHttp2Session; stream: ServerHttp2Stream }>((resolve) => {
    server.on('session', (session) => {
      destroyOnceBroken(session, socket as Socket, LOOK_EVERY_MS);
      session.on('stream', (stream) => {
        stream.on('error', () => {});
        resolve({ session, stream });
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  peer.on('error', () => {});
  t.after(() => {
    peer.destroy();
    server.close();
  });
  const made: Scene = { peer, ...(await begunBy(peer, begun)), pings: 0 };
  peer.on('data', (bytes: Buffer) => {
    // The header of a PING without ACK.
    if (bytes.includes(Buffer.from('000008060000000000', 'hex'))) made.pings += 1;
  });
  return made;
}

async function begunBy<Begun>(peer: Socket, begun: Promise<Begun>): Promise<Begun> {
  peer.write(Buffer.concat([opening(), headers(1, callBlock('StatFile'))]));
  return await begun;
}

test('a session that ended itself over DATA on a stream that never was is destroyed, peer and all', async (t) => {
  const { peer, session, stream } = await scene(t);
  peer.write(data(3, Buffer.alloc(5)));

  await until('the session is destroyed', () => session.destroyed);
  await until('its stream is closed', () => stream.closed);
  await until('its connection is closed', () => peer.closed || peer.readableEnded);
});

test('a session whose peer is silent is asked once, and goes on', async (t) => {
  const scenery = await scene(t);
  await until('it is asked', () => scenery.pings === 1);
  const { peer, session, stream } = scenery;
  let looks = 0;
  const counting = setInterval(() => {
    looks += 1;
  }, LOOK_EVERY_MS);
  t.after(() => clearInterval(counting));
  await until('it was looked at again', () => looks > 5);

  assert.equal(scenery.pings, 1);
  assert.equal(session.destroyed, false);
  stream.respond({ ':status': 200 });
  await once(peer, 'data');
});
