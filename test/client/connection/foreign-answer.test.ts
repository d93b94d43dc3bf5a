/** Servers that speak HTTP/2 and not gRPC: web servers, login pages, proxies whose server is down. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import type { TransferError } from '../../../src/base/errors.ts';
import { startSilentPeer } from '../../support/peers/silent-peers.ts';
import { runSluice } from '../../support/sluice-process.ts';
import { clientOf, collect, failureOf, scratchDirectory } from '../fixtures.ts';

interface WebServer {
  address: string;
  /** Calls so far. */
  calls: number;
}

async function startWebServer(
  t: TestContext,
  answer: (stream: ServerHttp2Stream) => void,
): Promise<WebServer> {
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  const web = { address: '', calls: 0 };
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream) => {
    web.calls += 1;
    stream.on('error', () => {});
    answer(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  web.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return web;
}

function page(status: number, contentType: string, body = '<html>welcome</html>') {
  return (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': status, 'content-type': contentType }, { endStream: body === '' });
    if (body !== '') stream.end(body);
  };
}

const FINAL: [status: number, contentType: string, body: string, code: TransferError['code']][] = [
  [200, 'text/html; charset=utf-8', '<html>welcome</html>', 'UNIMPLEMENTED'],
  [200, 'text/html', '', 'UNIMPLEMENTED'],
  [200, 'application/grpc-web', 'xxxxxxxxxx', 'UNIMPLEMENTED'],
  [302, 'text/html', '', 'UNIMPLEMENTED'],
  [400, 'application/json', '{"error":"bad request"}', 'UNIMPLEMENTED'],
  [404, 'text/plain', 'no such page', 'UNIMPLEMENTED'],
  [403, 'text/html', '<html>forbidden</html>', 'PERMISSION_DENIED'],
];

for (const [status, contentType, body, code] of FINAL) {
  test(`an answer with ${status} and ${body === '' ? 'no' : contentType} body ends every call at once`, async (t) => {
    const web = await startWebServer(t, page(status, contentType, body));
    const client = clientOf(t, web.address);
    const calls = [
      client.getFileSize('a'),
      collect(client.stream('a')),
      client.list().next(),
      client.upload(Buffer.alloc(5), 'a'),
    ];
    for (const failure of await Promise.all(calls.map(failureOf))) {
      assert.equal(failure.code, code, failure.message);
      const what = `${web.address} answered with HTTP status ${status} and content type ${contentType}`;
      assert.ok(failure.message.startsWith(what), failure.message);
    }
    // The upload is discarded as well.
    assert.equal(web.calls, calls.length + 1);
  });
}

test('a proxy whose server is down is tried again, and the command line says so once', async (t) => {
  const answers: ((stream: ServerHttp2Stream) => void)[] = [
    page(502, 'text/html'),
    page(503, 'text/html', ''),
    page(504, 'text/plain'),
  ];
  const web = await startWebServer(t, (stream) => {
    const answer = answers.shift();
    if (answer !== undefined) answer(stream);
    else {
      stream.respond({ 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true });
    }
  });
  const { code, stderr, stdout } = await runSluice(t, ['stat', `${web.address}/a`]);
  const said = `the server is not available; trying again for 60 s (${web.address} answered with HTTP status 502 and content type text/html: a proxy or load balancer answers, and the server behind it does not)`;
  assert.deepEqual(stderr.split('\n').slice(0, 2), [
    said,
    'error: the server ended the call with status NOT_FOUND and without a reason',
  ]);
  assert.deepEqual([code, stdout, web.calls], [3, '', 4]);
});

test('a status without meaning is named, and not called a defect', async (t) => {
  const web = await startWebServer(t, (stream) => {
    stream.respond({ 'content-type': 'application/grpc', 'grpc-status': '77' }, { endStream: true });
  });
  const failure = await failureOf(clientOf(t, web.address, { retry: { attempts: 1 } }).getFileSize('a'));
  assert.equal(
    failure.message,
    "the server ended the call with status 77, which is none of gRPC's and without a reason",
  );
});

test('messages in a compression that the server does not name, or that nobody asked for, are named', async (t) => {
  for (const encoding of ['identity', 'br']) {
    const web = await startWebServer(t, (stream) => {
      stream.respond({ 'content-type': 'application/grpc', 'grpc-encoding': encoding });
      stream.write(Buffer.from([1, 0, 0, 0, 2, 8, 1]));
    });
    const client = clientOf(t, web.address, { retry: { attempts: 1 } });
    for (const call of [
      client.getFileSize('a'),
      collect(client.stream('a')),
      client.upload(Buffer.alloc(5), 'a'),
    ]) {
      const failure = await failureOf(call);
      assert.deepEqual(
        [failure.code, failure.message],
        [
          'PROTOCOL_ERROR',
          'the server sent a message in a compression that it did not name or that this client did not offer; let it compress with gzip or deflate, or not at all',
        ],
      );
      assert.ok(!inspect(failure).includes('undefined: undefined'), inspect(failure));
    }
  }
});

test('what does not speak HTTP/2, or hangs up, or is a proxy, is named', async (t) => {
  const peers: [RegExp, (socket: net.Socket) => void][] = [
    [/: the peer does not speak HTTP\/2;/, (socket) => void socket.write('SSH-2.0-OpenSSH_9.2\r\n')],
    [/: the connection was closed before HTTP\/2 began;/, (socket) => void socket.end()],
  ];
  for (const [text, answer] of peers) {
    const { address } = await startSilentPeer(t, answer);
    const failure = await failureOf(clientOf(t, address).getFileSize('a'));
    assert.match(failure.message, text);
  }
  // Nothing listens on port 1.
  process.env.grpc_proxy = 'http://127.0.0.1:1';
  t.after(() => delete process.env.grpc_proxy);
  const failure = await failureOf(clientOf(t, 'files.example.org:1', { insecure: true }).getFileSize('a'));
  assert.match(failure.message, /: the HTTP proxy that grpc_proxy, .* refuses the connection/);
});

test('an unknown host ends put -r with one error', async (t) => {
  const directory = await scratchDirectory(t);
  for (let file = 0; file < 8; file++) writeFileSync(`${directory}/${file}`, 'x');
  const args = ['put', '-r', '--insecure', '.', 'no-such-host.invalid/'];
  const { code, stderr } = await runSluice(t, args, { cwd: directory });
  assert.equal(code, 5);
  const lines = stderr.split('\n').filter((line) => line.includes('no-such-host'));
  assert.equal(lines.length, 1, stderr);
  assert.match(lines[0] ?? '', /^error: /);
});
