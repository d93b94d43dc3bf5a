/**
 * No stream ever carries the bytes of another, whatever happens to its
 * neighbours: slabs are few and change hands all the time, and readers vanish
 * in the middle of writes in every way there is.
 */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { assertBytes, type Content, noise } from '../support/content.ts';
import { type ChunkMessage, endOf, type RawClient, rawChunk } from '../support/peers/raw-client.ts';
import { answerOf, RawSession } from '../support/peers/raw-http2.ts';
import { Random, seedOf } from '../support/seed.ts';
import { KIB, MIB, startServer, type TestServer, TWO_THREADS } from '../support/test-server.ts';

const FILES = 12;
const WORKERS = 16;
const ROUNDS = Number(process.env.SLUICE_TEST_ROUNDS ?? 4);

const ENDINGS = [
  'complete',
  'complete',
  'cancel',
  'destroy session',
  'kill socket',
  'pause, then cancel',
] as const;

for (const zeroCopy of [true, false]) {
  test(`streams get only their own bytes while others end mid-write (zero copy: ${zeroCopy})`, async (t) => {
    const random = new Random(seedOf(t));
    const server = await startServer(
      t,
      {
        ...TWO_THREADS,
        stream: { jobsInFlight: 4 },
        slab: { size: 256 * KIB, count: 10 },
        limits: { connections: 200 },
      },
      { zeroCopy },
    );
    const contents = Array.from({ length: FILES }, (_, i) =>
      server.write(`file-${i}`, noise(i + 1, 5 * MIB + i * 1001)),
    );
    const shared = server.client({ 'grpc-node.flow_control_window': MIB });
    const reader = async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const file = random.between(0, FILES - 1);
        const start = random.between(0, MIB);
        const endAfterBytes = random.between(0, 4 * MIB);
        const ending = random.pick(ENDINGS);
        const stream = {
          fileName: `file-${file}`,
          content: contents[file] as Content,
          start,
          ending,
          endAfterBytes,
        };
        await (ending === 'kill socket' || ending === 'destroy session'
          ? readRaw(t, server, stream)
          : read(shared, stream));
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, reader));
    await server.untilIdle();
  });
}

interface Plan {
  fileName: string;
  content: Content;
  start: number;
  ending: (typeof ENDINGS)[number];
  endAfterBytes: number;
}

async function read(
  client: RawClient,
  { fileName, content, start, ending, endAfterBytes }: Plan,
): Promise<void> {
  const call = client.stream({ fileName, start, wantChecksums: true });
  let offset = start;
  call.on('data', (message: ChunkMessage) => {
    assertBytes(rawChunk(message), content, offset, fileName);
    offset += message.chunk.length;
    if (ending === 'complete' || offset - start < endAfterBytes) return;
    if (ending !== 'cancel') call.pause();
    call.cancel();
  });
  const end = await endOf(call);
  if (ending !== 'complete') return;
  assert.equal(end.status, 'OK');
  assert.equal(offset, content.size);
}

/** Vanishes without a word; what had come until then must have been right. */
async function readRaw(t: Parameters<typeof startServer>[0], server: TestServer, plan: Plan): Promise<void> {
  const { fileName, content, start, ending, endAfterBytes } = plan;
  const raw = new RawSession(t, server.port, { initialWindowSize: 4 * MIB });
  const stream = raw.call('StreamFile', { fileName, start });
  let receivedBytes = 0;
  stream.on('data', (bytes: Buffer) => {
    receivedBytes += bytes.length;
    if (receivedBytes < endAfterBytes) return;
    if (ending === 'kill socket') (raw.socket instanceof Socket ? raw.socket : undefined)?.resetAndDestroy();
    raw.destroy();
  });
  const { body } = await answerOf(stream);
  raw.destroy();
  let offset = start;
  for (const chunk of wholeChunks(body)) {
    assertBytes(chunk, content, offset, fileName);
    offset += chunk.length;
  }
}

/** The chunks of the whole messages in `body`, which holds nothing but field 1 in each. */
function* wholeChunks(body: Buffer): Generator<Buffer> {
  for (let at = 0; at + 5 <= body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (end > body.length) return;
    assert.equal(body[at], 0);
    assert.equal(body[at + 5], 0x0a);
    let from = at + 6;
    while ((body[from] as number) >= 0x80) from += 1;
    yield body.subarray(from + 1, end);
    at = end;
  }
}
