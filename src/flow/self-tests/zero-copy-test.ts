/**
 * Asks, at start, whether runs of frames really reach a client unchanged on
 * this Node version with this grpc-js: over a real connection, from shared
 * memory, two messages in one write.
 */
import { type Client, type handleServerStreamingCall, Metadata } from '@grpc/grpc-js';
import { writeChunkHeader } from '../../wire/chunk-header.ts';
import { BulkCall } from '../calls/bulk-call.ts';
import { passThrough, selfTest, TEST_TIMEOUT_MS } from './self-test-server.ts';

const PATH = '/sluice.SelfTest/Run';
const CHUNK_BYTES = 40_000;

/** True when zero copy works here. Never throws; takes a few milliseconds. */
export async function zeroCopyWorks(): Promise<boolean> {
  const { run, messages } = testRun();
  const handle: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    const bulk = new BulkCall(call, true, TEST_TIMEOUT_MS);
    bulk.write(run, () => bulk.end());
  };
  return await selfTest({ path: PATH, type: 'serverStream', handle }, async (client) => {
    const received = await receive(client);
    return (
      received.length === messages.length && received.every((bytes, i) => bytes.equals(messages[i] as Buffer))
    );
  });
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
      codec: 0,
    };
    const chunkAt = writeChunkHeader(run, at, fields);
    run.fill(fill, chunkAt, chunkAt + CHUNK_BYTES);
    messages.push(Buffer.from(run.subarray(at + 5, chunkAt + CHUNK_BYTES))); // copy: compared later
    at = chunkAt + CHUNK_BYTES;
  }
  return { run: run.subarray(0, at), messages };
}

function receive(client: Client): Promise<Buffer[]> {
  return new Promise<Buffer[]>((resolve, reject) => {
    const received: Buffer[] = [];
    const deadline = Date.now() + TEST_TIMEOUT_MS;
    const call = client.makeServerStreamRequest(
      PATH,
      passThrough,
      passThrough,
      Buffer.alloc(0),
      new Metadata(),
      {
        deadline,
      },
    );
    call.on('data', (message: Buffer) => received.push(message));
    call.on('error', reject);
    call.on('end', () => resolve(received));
  });
}
