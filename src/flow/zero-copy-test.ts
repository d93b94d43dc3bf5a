/**
 * Asks, at start, whether runs of frames really reach a client unchanged on
 * this Node version with this grpc-js: over a real connection, from shared
 * memory, two messages in one write.
 */
import { createServer } from 'node:net';
import {
  Client,
  credentials,
  type handleServerStreamingCall,
  Metadata,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { writeChunkHeader } from '../wire/chunk-header.ts';
import { BulkCall, FramedRun, unframed } from './bulk-call.ts';

const TEST_TIMEOUT_MS = 3000;
const PATH = '/sluice.SelfTest/Run';
const CHUNK_BYTES = 40_000;

/** True when zero copy works here. Never throws; takes a few milliseconds. */
export async function zeroCopyWorks(): Promise<boolean> {
  const { run, messages } = testRun();
  const server = new Server({ 'grpc.enable_channelz': 0 });
  const handle: handleServerStreamingCall<Buffer, Buffer | FramedRun> = (call) => {
    const bulk = new BulkCall(call, true, TEST_TIMEOUT_MS);
    bulk.write(run, () => bulk.end());
  };
  server.register(PATH, handle, serialize, passThrough, 'serverStream');
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket));
  try {
    const port = await new Promise<number>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(0, '127.0.0.1', () => resolve((listener.address() as { port: number }).port));
    });
    const received = await receive(`127.0.0.1:${port}`);
    return (
      received.length === messages.length && received.every((bytes, i) => bytes.equals(messages[i] as Buffer))
    );
  } catch {
    return false;
  } finally {
    listener.close();
    server.forceShutdown();
  }
}

/** Two framed messages in shared memory, and what a client must get. */
function testRun(): { run: Uint8Array; messages: Buffer[] } {
  const run = new Uint8Array(new SharedArrayBuffer(2 * CHUNK_BYTES + 64));
  const messages: Buffer[] = [];
  let at = 0;
  for (const fill of [0x5a, 0xa5]) {
    const fields = {
      wireBytes: CHUNK_BYTES,
      rawBytes: CHUNK_BYTES,
      compressed: false,
      offset: at,
      crc32: fill,
    };
    const chunkAt = writeChunkHeader(run, at, fields);
    run.fill(fill, chunkAt, chunkAt + CHUNK_BYTES);
    messages.push(Buffer.from(run.subarray(at + 5, chunkAt + CHUNK_BYTES))); // copy: compared later
    at = chunkAt + CHUNK_BYTES;
  }
  return { run: run.subarray(0, at), messages };
}

function receive(target: string): Promise<Buffer[]> {
  const client = new Client(target, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  return new Promise<Buffer[]>((resolve, reject) => {
    const received: Buffer[] = [];
    const call = client.makeServerStreamRequest(
      PATH,
      passThrough,
      passThrough,
      Buffer.alloc(0),
      new Metadata(),
      {
        deadline: Date.now() + TEST_TIMEOUT_MS,
      },
    );
    call.on('data', (message: Buffer) => received.push(message));
    call.on('error', reject);
    call.on('end', () => resolve(received));
  }).finally(() => client.close());
}

function passThrough(bytes: Buffer): Buffer {
  return bytes;
}

function serialize(value: Buffer | FramedRun): Buffer {
  return value instanceof FramedRun ? unframed(value) : value;
}
