/**
 * Asks, at start, whether the chunks of an upload can be taken straight out of
 * a call's stream on this Node version with this grpc-js: over a real
 * connection, with the chunk before, between and behind other fields.
 */
import type { handleClientStreamingCall } from '@grpc/grpc-js';
import { UploadCall } from '../calls/upload-call.ts';
import { clientStream, selfTest, TEST_TIMEOUT_MS } from './self-test-server.ts';

const PATH = '/sluice.SelfTest/Upload';
const CHUNK_BYTES = 40_000;

interface Fields {
  chunk: Uint8Array;
  bytes: Buffer;
}

/** True when direct reads work here. Never throws; takes a few milliseconds. */
export async function directReadsWork(): Promise<boolean> {
  const handle: handleClientStreamingCall<Fields, Buffer> = (grpcCall, respond) => {
    const call = new UploadCall(grpcCall, respond, fieldsOf, {
      direct: true,
      maxChunkBytes: CHUNK_BYTES,
      stallTimeoutMs: TEST_TIMEOUT_MS,
      windows: { follow() {} },
    });
    const taken: Buffer[] = [];
    call.start({
      reserve(bytes) {
        const memory = Buffer.alloc(bytes);
        taken.push(memory);
        return memory;
      },
      message: ({ bytes }) => void taken.push(Buffer.from(bytes)),
      ended: () => call.respond(Buffer.concat(taken)),
      failed: () => call.reset(),
    });
  };
  return await selfTest({ path: PATH, type: 'clientStream', handle }, async (client) => {
    const chunk = Buffer.alloc(CHUNK_BYTES, 0x5a);
    const before = Buffer.from([0x10, 1]);
    const behind = Buffer.from([0x20, 7]);
    const message = Buffer.concat([before, chunkField(chunk), behind]);
    const expected = Buffer.concat([chunk, before, behind]);
    const received = await clientStream(client, PATH, (call) => {
      call.write(message);
      call.end(message);
    });
    return received.equals(Buffer.concat([expected, expected]));
  });
}

function fieldsOf(bytes: Buffer): Fields {
  return { chunk: Buffer.alloc(0), bytes };
}

/** Field 1 of a protobuf message. */
function chunkField(chunk: Buffer): Buffer {
  const [low, middle, high] = [chunk.length & 0x7f, (chunk.length >>> 7) & 0x7f, chunk.length >>> 14];
  return Buffer.concat([Buffer.from([0x0a, low | 0x80, middle | 0x80, high]), chunk]);
}
