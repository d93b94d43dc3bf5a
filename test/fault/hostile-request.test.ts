/** Requests that no honest client sends: refused with the right status, without a path of the server. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { lines, noise } from '../support/content.ts';
import { contract, methodOf, type RawClient } from '../support/peers/raw-client.ts';
import { answerOf, framed, RawSession } from '../support/peers/raw-http2.ts';
import { MIB, startServer, type TestServer } from '../support/test-server.ts';

const BAD_NAMES: Record<string, string> = {
  'an empty name': '',
  'a parent': '..',
  'a parent in front': '../root-evil/secret',
  'a parent in the middle': 'dir/../../root-evil/secret',
  'a parent at the end': 'dir/..',
  'this directory': './file',
  'an absolute name': '/etc/passwd',
  'an absolute name with two slashes': '//etc/passwd',
  'a name with a NUL': 'file\0.txt',
  'a name with a line break': 'file\n',
  'a name with an escape': 'file\u001b[2J',
  'a name with DEL': 'file\u007f',
  'a name with a C1 control': 'file\u0085',
  'a backslash': 'dir\\..\\..\\root-evil',
  'a drive': 'C:/windows',
  'an empty component': 'dir//file',
  'a slash at the end': 'file/',
  'a component that is too long': 'n'.repeat(256),
  'a component whose UTF-8 is too long': '\u00e9'.repeat(128),
  'a name that is too long': 'n/'.repeat(2000),
  'a name that is too deep': 'n/'.repeat(100).slice(0, -1),
  'a reserved component': '.sluice-part',
};

const NO_FILES: Record<string, [name: string, code: string]> = {
  'a missing file': ['no-such', 'NOT_FOUND'],
  'a missing directory': ['no/such', 'NOT_FOUND'],
  'a file as a directory': ['file/x', 'NOT_FOUND'],
  'a directory': ['dir', 'NOT_A_FILE'],
  'a FIFO': ['fifo', 'NOT_A_FILE'],
  'a socket': ['socket', 'NOT_A_FILE'],
  'a link to a file inside': ['inner-link', 'NOT_A_FILE'],
  'a link to a file outside': ['outer-link', 'NOT_A_FILE'],
  'a file behind a link to a directory': ['dir-link/secret', 'NOT_A_FILE'],
  'a link to /proc': ['proc-link/self/environ', 'NOT_A_FILE'],
  'a device': ['device', 'NOT_A_FILE'],
};

const STATUS_OF_CODE: Record<string, string> = { NOT_FOUND: 'NOT_FOUND', NOT_A_FILE: 'FAILED_PRECONDITION' };

async function serverWithTraps(t: TestContext): Promise<TestServer> {
  const server = await startServer(t);
  const evil = join(dirname(server.root), 'root-evil');
  mkdirSync(evil);
  writeFileSync(join(evil, 'secret'), 'outside');
  server.write('file', lines(100));
  mkdirSync(server.at('dir'));
  spawnSync('mkfifo', [server.at('fifo')]);
  symlinkSync('file', server.at('inner-link'));
  symlinkSync(join(evil, 'secret'), server.at('outer-link'));
  symlinkSync(evil, server.at('dir-link'));
  symlinkSync('/proc', server.at('proc-link'));
  const listener = createServer().listen(server.at('socket'));
  t.after(() => listener.close());
  return server;
}

async function everyAnswer(client: RawClient, fileName: string) {
  return [
    await client.fetch({ fileName, wantChecksums: true }),
    await client.unary('GetFileSize', { fileName }),
    await client.unary('StatFile', { fileName }),
  ];
}

test('a bad name is INVALID_ARGUMENT in every call, and the answer has no path of the server', async (t) => {
  const server = await serverWithTraps(t);
  const client = server.client();
  for (const [what, name] of Object.entries(BAD_NAMES)) {
    for (const answer of await everyAnswer(client, name)) {
      assert.deepEqual([answer.status, answer.code], ['INVALID_ARGUMENT', 'INVALID_NAME'], what);
      assertTellsNothing(answer.details, server);
      assert(!/\p{Cc}/u.test(answer.details), what);
    }
  }
  await server.untilIdle();
});

test('what is no regular file inside the root is not served, and the answer has no path of the server', async (t) => {
  const server = await serverWithTraps(t);
  const hasDevice = spawnSync('mknod', [server.at('device'), 'c', '1', '5']).status === 0;
  if (!hasDevice) t.diagnostic('no permission to make a device; that case is left out');
  const client = server.client();
  for (const [what, [name, code]] of Object.entries(NO_FILES)) {
    if (name === 'device' && !hasDevice) continue;
    for (const answer of await everyAnswer(client, name)) {
      assert.deepEqual(
        [answer.status, answer.code],
        [STATUS_OF_CODE[code], code],
        `${what}: ${answer.details}`,
      );
      assertTellsNothing(answer.details, server);
    }
  }
  await server.untilIdle();
});

test('ranges that can never be right are refused, and the largest ones are not misread', async (t) => {
  const server = await startServer(t);
  server.write('file', noise(1, 1000));
  const client = server.client();
  const min64 = '-9223372036854775808';
  const max64 = '9223372036854775807';
  const cases: [object, string, string][] = [
    [{ start: -1 }, 'INVALID_ARGUMENT', 'start'],
    [{ start: min64 }, 'INVALID_ARGUMENT', 'start'],
    [{ limit: -1 }, 'INVALID_ARGUMENT', 'limit'],
    [{ limit: min64 }, 'INVALID_ARGUMENT', 'limit'],
    [{ chunkSize: -1 }, 'INVALID_ARGUMENT', 'chunk_size'],
    [{ chunkSize: -(2 ** 31) }, 'INVALID_ARGUMENT', 'chunk_size'],
    [{ start: 1001 }, 'OUT_OF_RANGE', '1001'],
    [{ start: max64 }, 'OUT_OF_RANGE', 'start'],
    [{ start: '9007199254740993' }, 'OUT_OF_RANGE', 'start'],
    [{ ifMatch: 'another' }, 'FAILED_PRECONDITION', 'version'],
    [{ ifMatch: '\u{1f600}'.repeat(2000) }, 'FAILED_PRECONDITION', 'version'],
    [{ limit: max64 }, 'OK', ''],
    [{ start: 999, limit: max64 }, 'OK', ''],
    [{ chunkSize: 2 ** 31 - 1 }, 'OK', ''],
  ];
  for (const [fields, status, names] of cases) {
    const received = await client.fetch({ fileName: 'file', wantChecksums: true, ...fields });
    assert.equal(received.status, status, `${JSON.stringify(fields)}: ${received.details}`);
    assert(received.details.includes(names), received.details);
    if (status !== 'OK') assert.equal(received.messages.length, 0);
  }
  await server.untilIdle();
});

test('a name that is not UTF-8 names no file', async (t) => {
  const server = await startServer(t);
  server.write('file', lines(10));
  const raw = new RawSession(t, server.port);
  for (const bytes of [[0xff, 0xfe], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0x66, 0x80]]) {
    for (const method of ['GetFileSize', 'StreamFile']) {
      const tag = method === 'GetFileSize' ? 0x0a : 0x1a;
      const { headers } = await answerOf(
        raw.request(method, framed(Buffer.from([tag, bytes.length, ...bytes]))),
      );
      assert(
        ['3', '5', '13'].includes(String(headers['grpc-status'])),
        `${method}: ${String(headers['grpc-status'])}`,
      );
    }
  }
  assert.equal((await server.client().fetch({ fileName: 'file' })).status, 'OK');
});

test('messages that are too large, not protobuf, bombs or unknown to gRPC are refused and do no harm', async (t) => {
  const server = await startServer(t);
  const content = server.write('file', lines(10));
  const raw = new RawSession(t, server.port);
  const request = methodOf('StreamFile').requestSerialize({ fileName: 'file' });
  const bomb = framed(gzipSync(Buffer.alloc(40 * MIB)), true);
  const cases: [string, Buffer, Record<string, string>][] = [
    ['an oversized message', framed(Buffer.alloc(MIB)), {}],
    ['a length beyond everything', Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]), {}],
    ['noise instead of protobuf', framed(noise(1, 200).bytes(0, 200)), {}],
    ['a gzip bomb', bomb, { 'grpc-encoding': 'gzip' }],
    ['broken gzip', framed(noise(2, 100).bytes(0, 100), true), { 'grpc-encoding': 'gzip' }],
    ['an unknown encoding', framed(request, true), { 'grpc-encoding': 'zip' }],
    ['nothing at all', Buffer.alloc(0), {}],
    ['half a message', framed(request).subarray(0, 7), {}],
    ['two messages', Buffer.concat([framed(request), framed(request)]), {}],
    ['another content type', framed(request), { 'content-type': 'text/plain' }],
    ['a broken deadline', framed(request), { 'grpc-timeout': 'soon' }],
    ['an unknown method', framed(request), { ':path': '/sluice.v1.TransferService/DropTable' }],
  ];
  for (const [what, body, headers] of cases) {
    const { ':path': path = 'StreamFile', ...others } = headers;
    const stream = raw.request(path, body, others);
    const timer = setTimeout(() => stream.close(8), 3000);
    const answer = await answerOf(stream);
    clearTimeout(timer);
    if (answer.headers[':status'] === 200 && what !== 'two messages') {
      assert.notEqual(answer.headers['grpc-status'], '0', what);
    }
    const after = await server.client().fetch({ fileName: 'file' });
    assert.equal(after.bytes.length, content.size, `after ${what}`);
  }
  await server.untilIdle();
});

test('what is no request is INVALID_ARGUMENT in every call, with a text that says what to send', async (t) => {
  const told: string[] = [];
  const note = (_fields: object, message: string) => void told.push(message);
  const logger = { debug() {}, info: note, warn: note, error: note };
  for (const zeroCopy of [true, false]) {
    const settings = { writable: true, uploads: { minFree: 0 } };
    const server = await startServer(t, settings, { zeroCopy, logger });
    const raw = new RawSession(t, server.port);
    for (const method of Object.keys(contract)) {
      told.length = 0;
      // A field of a wire type that does not exist.
      const { headers } = await answerOf(raw.request(method, framed(Buffer.from([0x7f, 0x61]))));
      assert.equal(headers['grpc-status'], '3', method);
      assert.equal(headers['sluice-code'], 'INVALID_ARGUMENT', method);
      assert.match(
        decodeURI(String(headers['grpc-message'])),
        new RegExp(`a whole, well-formed ${method}Request; encode it as proto/sluice/v1 says$`),
      );
      assert.ok(told.includes(`${method} ended`), method);
    }
    await server.untilIdle();
  }
});

test('a file under a strange but honest name is served', async (t) => {
  const server = await startServer(t);
  const client = server.client();
  for (const name of [
    'räksmörgås',
    '\u{1f30a}',
    '...',
    ' ',
    '%2e%2e',
    '-rf',
    'a'.repeat(255),
    '\'"$(id)`;',
  ]) {
    const content = server.write(name, lines(50));
    for (const answer of await everyAnswer(client, name)) assert.equal(answer.status, 'OK', name);
    rmSync(server.at(name));
    assert.equal(content.size, 50);
  }
});

function assertTellsNothing(details: string, { root }: TestServer): void {
  assert(!details.includes(root) && !details.includes(dirname(root)), details);
}
