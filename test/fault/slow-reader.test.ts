/** Slow is not stalled. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noise } from '../support/content.ts';
import { RawSession } from '../support/peers/raw-http2.ts';
import { MIB, startServer } from '../support/test-server.ts';
import { within } from '../support/until.ts';

test('a slow reader that takes a piece within each stall timeout gets the whole file', async (t) => {
  const server = await startServer(t, { stream: { stallTimeout: 2000, stallLinger: 100 } });
  const content = server.write('file', noise(5, 2 * MIB));
  const raw = new RawSession(t, server.port, { initialWindowSize: 64 * 1024 });
  const stream = raw.call('StreamFile', { fileName: 'file' });
  let receivedBytes = 0;
  stream.on('data', (bytes: Buffer) => {
    receivedBytes += bytes.length;
    // 16 KiB every 40 ms: the whole takes several stall timeouts, each first piece a fraction of one.
    stream.pause();
    setTimeout(() => stream.resume(), 40);
  });
  const ended = new Promise<void>((resolve) => stream.once('close', resolve));
  await within('the end', ended, 60_000);
  assert.equal(stream.rstCode, 0);
  assert(receivedBytes > content.size);
  await server.untilIdle();
});
