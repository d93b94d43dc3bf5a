/** Uploads from another implementation of gRPC: Python's grpcio, with the messages coded by hand. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertBytes, lines, noise, writeContent } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { MIB, startServer } from '../support/test-server.ts';
import { lacksGrpcio, python } from './python.ts';

/** Sends a file in one call: begins the upload in the first message, finishes it in the last one, or not. */
const CLIENT = `
import grpc, gzip, json, sys, zlib

def varint(n):
    out = b''
    while n > 0x7f:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])

def text(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value

target, name, path, compress, finish, channel_compression = sys.argv[1:7]
data = open(path, 'rb').read()

def messages():
    yield text(7, text(1, name.encode()))
    for at in range(0, len(data), 100_000):
        raw = data[at:at + 100_000]
        packed = gzip.compress(raw, 1)
        crc = b'\\x2d' + zlib.crc32(raw).to_bytes(4, 'little')
        if compress == 'yes' and len(packed) < len(raw):
            yield text(1, packed) + b'\\x10\\x01' + b'\\x20' + varint(len(raw)) + crc
        else:
            yield text(1, raw) + crc
    if finish == 'yes':
        whole = b'\\x08' + varint(len(data)) + b'\\x15' + zlib.crc32(data).to_bytes(4, 'little')
        yield b'\\x40\\x01' + text(9, whole)

channel = grpc.insecure_channel(target, compression=getattr(grpc.Compression, channel_compression))
upload = channel.stream_unary('/sluice.v1.TransferService/UploadFile')
result = {'status': 'OK'}
try:
    answer, call = upload.with_call(messages())
    result['answer'] = answer.hex()
    result['id'] = dict(call.initial_metadata())['sluice-upload-id']
except grpc.RpcError as error:
    result['status'] = error.code().name
    result['code'] = dict(error.trailing_metadata()).get('sluice-code')
if finish == 'yes' and result['status'] == 'OK':
    size = channel.unary_unary('/sluice.v1.TransferService/GetFileSize')(text(1, name.encode()))
    result['size'] = size.hex()
print(json.dumps(result))
`;

const skip = lacksGrpcio();

test('a Python client uploads in one call, plain and compressed', { skip }, async (t) => {
  const server = await startServer(t, { writable: true });
  for (const [content, compress] of [
    [noise(1, 9 * MIB + 1), 'no'],
    [lines(5 * MIB + 1), 'yes'],
    [noise(1, 0), 'no'],
  ] as const) {
    const path = join(scratchDirectory(t), 'source');
    writeContent(path, content);
    const name = `dir/of ${content.size}`;
    const { status } = await upload(t, [server.address, name, path, compress, 'yes']);
    assert.equal(status, 'OK');
    const stored = readFileSync(server.at(name));
    assert.equal(stored.length, content.size);
    assertBytes(stored, content, 0);
    // What compresses its whole channel compresses these messages, and each single request.
    for (const compression of ['Gzip', 'Deflate']) {
      const compressed = await upload(t, [
        server.address,
        name + compression,
        path,
        compress,
        'yes',
        compression,
      ]);
      assert.equal(compressed.status, 'OK');
      assertBytes(readFileSync(server.at(name + compression)), content, 0);
    }
    const again = await upload(t, [server.address, name, path, compress, 'yes']);
    assert.deepEqual([again.status, again.code], ['ALREADY_EXISTS', 'ALREADY_EXISTS']);
  }
  await server.untilIdle();
});

test('a Python client that does not finish leaves an upload to resume, and no file', { skip }, async (t) => {
  const server = await startServer(t, { writable: true });
  const content = noise(2, 3 * MIB);
  const path = join(scratchDirectory(t), 'source');
  writeContent(path, content);
  const { status, id } = await upload(t, [server.address, 'later', path, 'no', 'no']);
  assert.equal(status, 'OK');
  assert(!existsSync(server.at('later')));
  const client = server.client();
  const found = await client.unary('GetUploadStatus', { uploadId: id });
  assert.equal(Number(found.answer?.committedSize), content.size);
  const finished = await client.unary('FinishUpload', { uploadId: id });
  assert.equal(finished.status, 'OK');
  assertBytes(readFileSync(server.at('later')), content, 0);
});

/** Makes a directory, sends a file with a time and a mode into it, and looks at both. */
const CLIENT_OF_ATTRIBUTES = `
import grpc, json, sys

def varint(n):
    out = b''
    while n > 0x7f:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])

def text(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value

def fields(message):
    at, found = 0, {}
    def read():
        nonlocal at
        n = shift = 0
        while True:
            byte = message[at]; at += 1
            n |= (byte & 0x7f) << shift; shift += 7
            if byte < 0x80: return n
    while at < len(message):
        tag = read()
        value = read()
        if tag & 7 == 2: value, at = message[at:at + value], at + value
        found[tag >> 3] = value
    return found

service = '/sluice.v1.TransferService/'
channel = grpc.insecure_channel(sys.argv[1])
channel.unary_unary(service + 'MakeDirectory')(text(1, b'made/here') + b'\\x10' + varint(0o700))
name = text(1, b'made/here/file')
start = name + b'\\x30' + varint(1234567890123) + b'\\x38' + varint(0o751)
channel.stream_unary(service + 'UploadFile')(iter([text(7, start) + text(1, b'content') + b'\\x40\\x01']))
file = fields(fields(channel.unary_unary(service + 'StatFile')(name))[1])
listed = next(iter(channel.unary_stream(service + 'ListFiles')(text(1, b'made'))))
entry = fields(fields(listed)[1])
print(json.dumps({'modified': file[4], 'mode': file[6], 'directory': entry[6]}))
`;

test('a Python client gives a file its time and mode, makes a directory, and sees both', {
  skip,
}, async (t) => {
  const server = await startServer(t, { writable: true });
  const seen = await python(t, CLIENT_OF_ATTRIBUTES, [server.address]);
  assert.deepEqual(seen, { modified: 1_234_567_890_123, mode: 0o751, directory: 0o700 });
});

async function upload(t: TestContext, args: readonly string[]): Promise<Record<string, string>> {
  return (await python(t, CLIENT, [...args, 'NoCompression'])) as Record<string, string>;
}
