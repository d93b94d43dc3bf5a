/** What lies in a client for a consumer that has stopped: its queue and its window, not what grpc-js would read ahead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../src/base/logger.ts';
import { SluiceClient } from '../../src/client/client.ts';
import { STREAM_QUEUE_BYTES } from '../../src/client/limits.ts';
import { noise } from '../support/content.ts';
import { KIB, MIB, startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const WINDOW_BYTES = 64 * KIB;
const CHUNK_BYTES = 128 * KIB;

test('a stopped consumer is sent its queue, three chunks and a window, and no more', async (t) => {
  const sentBytes: number[] = [];
  const logger = {
    ...silentLogger,
    info: (fields: object) => 'rawBytes' in fields && sentBytes.push(Number(fields.rawBytes)),
  };
  const server = await startServer(t, { stream: { stallTimeout: '500ms', stallLinger: 0 } }, { logger });
  server.write('a', noise(1, 8 * MIB));
  const client = new SluiceClient(server.address, { windowBytes: WINDOW_BYTES, chunkBytes: CHUNK_BYTES });
  t.after(() => client.close());
  const stopped = client.stream('a');
  const { value: first } = await stopped.next();
  await until('the server gives up on the stream', () => sentBytes.length > 0);
  const most = (first?.byteLength ?? 0) + STREAM_QUEUE_BYTES + 3 * CHUNK_BYTES + WINDOW_BYTES;
  assert.ok((sentBytes[0] as number) <= most, `${sentBytes[0]} bytes, ${most} at most`);
  await stopped.return();
});
