/** A client on another implementation of gRPC: Python's grpcio, with the messages coded by hand. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { lines, noise } from '../support/content.ts';
import { MIB, startServer } from '../support/test-server.ts';
import { lacksGrpcio, python } from './python.ts';

const CLIENT = `
import grpc, gzip, hashlib, json, sys, zlib

def varint(n):
    out = b''
    while n > 0x7f:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])

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
        kind = tag & 7
        if kind == 0: value = read()
        elif kind == 2:
            size = read(); value = message[at:at + size]; at += size
        elif kind == 5: value = int.from_bytes(message[at:at + 4], 'little'); at += 4
        else: raise ValueError(tag)
        found[tag >> 3] = value
    return found

target, name, start, can_decompress, checksums = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
encoded = name.encode()
channel = grpc.insecure_channel(target)
sized = channel.unary_unary('/sluice.v1.TransferService/GetFileSize')(b'\\x0a' + varint(len(encoded)) + encoded)
request = b'\\x08' + varint(start) + b'\\x1a' + varint(len(encoded)) + encoded
if can_decompress == 'yes': request += b'\\x20\\x01'
if checksums == 'yes': request += b'\\x40\\x01'
result = {'size': fields(sized).get(1, 0), 'compressed': 0, 'status': 'OK', 'summary': None}
digest, total, crc = hashlib.sha256(), 0, 0
try:
    for message in channel.unary_stream('/sluice.v1.TransferService/StreamFile')(request):
        got = fields(message)
        if 7 in got: result['summary'] = fields(got[7])
        raw = got.get(1, b'')
        if got.get(2):
            result['compressed'] += 1
            raw = gzip.decompress(raw)
        if 5 in got: assert got[5] == zlib.crc32(raw), 'crc of a chunk'
        digest.update(raw); total += len(raw); crc = zlib.crc32(raw, crc)
except grpc.RpcError as error:
    result['status'] = error.code().name
    result['trailers'] = dict(error.trailing_metadata())
result.update(total=total, sha256=digest.hexdigest(), crc=crc)
print(json.dumps(result))
`;

const skip = lacksGrpcio();

test('a Python client gets the right bytes, checksums and statuses', { skip }, async (t) => {
  const server = await startServer(t);
  const text = server.write('text ö', lines(5 * MIB + 1));
  const random = server.write('random', noise(1, 9 * MIB + 1));
  const cases = [
    { name: 'text ö', content: text, start: 0, gzip: true },
    { name: 'text ö', content: text, start: 1_000_001, gzip: false },
    { name: 'random', content: random, start: 0, gzip: true },
    { name: 'random', content: random, start: random.size, gzip: false },
  ];
  for (const { name, content, start, gzip } of cases) {
    for (const checksums of [true, false]) {
      const result = await python(t, CLIENT, [
        server.address,
        name,
        String(start),
        yesOrNo(gzip),
        yesOrNo(checksums),
      ]);
      assert.equal(result.status, 'OK');
      assert.equal(result.size, content.size);
      assert.equal(result.total, content.size - start);
      assert.equal(
        result.sha256,
        createHash('sha256').update(content.bytes(start, content.size)).digest('hex'),
      );
      assert.equal(Number(result.compressed) > 0, gzip && name !== 'random');
      if (!checksums) continue;
      const summary = result.summary as Record<string, number>;
      assert.deepEqual(
        [summary[1] ?? 0, summary[2] ?? 0, summary[3] ?? 0],
        [start, result.total, result.crc],
      );
    }
  }
  const beyond = await python(t, CLIENT, [server.address, 'random', String(random.size + 1), 'no', 'no']);
  assert.equal(beyond.status, 'OUT_OF_RANGE');
  assert.equal((beyond.trailers as Record<string, string>)['sluice-code'], 'OUT_OF_RANGE');
  await server.untilIdle();
});

function yesOrNo(value: boolean): string {
  return value ? 'yes' : 'no';
}
