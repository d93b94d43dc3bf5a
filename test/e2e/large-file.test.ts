/** Offsets that do not fit 32 bits. */
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { assertBytes, noise } from '../support/content.ts';
import { KIB, MIB, startServer, type TestServer } from '../support/test-server.ts';

const GIB = 1024 * MIB;
const SIZE = 9 * GIB + 12_345;
const SPOT_BYTES = 3 * MIB + 17;
/** Across the borders of 31 and 32 bits, and at the end. */
const SPOTS = [2 * GIB - MIB, 4 * GIB - MIB, 8 * GIB - 5, SIZE - SPOT_BYTES];

/** Holes, and noise at the spots. Takes no space to speak of. */
function writeSparse(server: TestServer): void {
  const fd = openSync(server.at('sparse'), 'w');
  ftruncateSync(fd, SIZE);
  for (const at of SPOTS) writeSync(fd, noise(at % 1000, SPOT_BYTES).bytes(0, SPOT_BYTES), 0, SPOT_BYTES, at);
  closeSync(fd);
}

test('a file of nine GiB is read right across the borders of 31 and 32 bits', async (t) => {
  const server = await startServer(t);
  writeSparse(server);
  const client = server.client({ 'grpc-node.flow_control_window': 4 * MIB });
  assert.equal((await client.unary('GetFileSize', { fileName: 'sparse' })).answer?.size, String(SIZE));
  for (const at of SPOTS) {
    const before = 64 * KIB + 3;
    const request = {
      fileName: 'sparse',
      start: at - before,
      limit: SPOT_BYTES + before,
      wantChecksums: true,
    };
    const received = await client.fetch(request);
    assert.equal(received.status, 'OK');
    assert.equal(received.bytes.length, SPOT_BYTES + before);
    assert(received.bytes.subarray(0, before).equals(Buffer.alloc(before)), 'a hole reads as zeros');
    assertBytes(received.bytes.subarray(before), noise(at % 1000, SPOT_BYTES), 0);
    assert.deepEqual(
      received.messages.slice(1, -1).map(({ offset }) => Number(offset))[0],
      at - before,
      'the first offset',
    );
  }
  await server.untilIdle();
});
