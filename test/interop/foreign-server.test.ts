/** Our client against a server of gRPC's core, which counts pings, at its defaults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { SluiceClient } from '../../src/client/client.ts';
import { startChild } from '../support/start-child.ts';
import { lacksGrpcio, PYTHON } from './python.ts';

const SIZE = 24 * MIB;
const DOWNLOADS = 3;

/** The two plain methods, with messages coded by hand. Every file has `SIZE` bytes. */
const SERVER = `
import sys, grpc
from concurrent import futures

size = int(sys.argv[1])
chunk = bytes(range(256)) * 1024

def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)

def start_of(request):
    if request[:1] != b'\\x08': return 0
    n, shift = 0, 0
    for byte in request[1:]:
        n |= (byte & 127) << shift
        shift += 7
        if byte < 128: return n

def size_of(request, context):
    return b'\\x08' + varint(size)

def stream(request, context):
    for at in range(start_of(request), size, len(chunk)):
        yield b'\\x0a' + varint(len(chunk)) + chunk

class Handlers(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method.endswith('/GetFileSize'): return grpc.unary_unary_rpc_method_handler(size_of)
        if details.method.endswith('/StreamFile'): return grpc.unary_stream_rpc_method_handler(stream)

server = grpc.server(futures.ThreadPoolExecutor(4), handlers=(Handlers(),))
port = server.add_insecure_port('127.0.0.1:0')
server.start()
print(port, flush=True)
server.wait_for_termination()
`;

test('the pings of a client at work and at rest are no more than a server of gRPC core allows', {
  skip: lacksGrpcio(),
}, async (t) => {
  const child = startChild(t, PYTHON, ['-c', SERVER, String(SIZE)]);
  const [port] = await child.says(/^\d+\n/);
  const told: string[] = [];
  const note = (fields: object, message: string) => told.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { ...silentLogger, info: note, warn: note };
  const client = new SluiceClient(`127.0.0.1:${port.trim()}`, { chunkBytes: 256 * KIB, logger });
  t.after(() => client.close());
  for (let download = 0; download < DOWNLOADS; download += 1) {
    let bytes = 0;
    for await (const chunk of client.stream('file')) {
      bytes += chunk.length;
      // The consumer of the second one is slow, so the window stays full.
      if (download === 1) await sleep(4);
    }
    assert.equal(bytes, SIZE);
  }
  // A server that had enough of pings would have ended the connection, and a call with it.
  assert.deepEqual(told, []);
});
