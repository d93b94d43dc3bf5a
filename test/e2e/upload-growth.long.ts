/** Uploads that find out how many connections their link is worth. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startLinkProcess } from '../../link-emulator/link-process.ts';
import { SluiceClient } from '../../src/client/client.ts';
import { assertBytes, noise, writeContent } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { MIB, type Settings, startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

interface Way {
  /** One way. */
  delayMs?: number;
  rateBytesPerSec?: number;
  uploads?: Settings['uploads'];
}

/** The most connections that there were at once. */
async function sendThrough(
  t: TestContext,
  { uploads = {}, ...link }: Way,
  sizeBytes: number,
): Promise<number> {
  process.env.XDG_STATE_HOME = scratchDirectory(t);
  const server = await startServer(t, { writable: true, uploads: { minFree: 0, sync: 'none', ...uploads } });
  const far = await startLinkProcess({ target: { host: '127.0.0.1', port: server.port }, ...link });
  const client = new SluiceClient(far.address);
  t.after(async () => {
    client.close();
    await far.stop();
  });
  const content = noise(1, sizeBytes);
  const path = join(scratchDirectory(t), 'source');
  writeContent(path, content);
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, server.server.stats().connections);
  }, 20);
  const result = await client.upload(path, 'a');
  clearInterval(watch);
  assert.deepEqual([result.bytes, result.verified, result.attempts], [sizeBytes, true, 1]);
  assertBytes(readFileSync(server.at('a')), content, 0);
  await until('the server is idle again', () => server.server.stats().uploads === 0);
  return most;
}

test('an upload takes more connections where each gets a share', async (t) => {
  // Half a window each round trip: 25 to 50 MiB/s for a connection.
  const most = await sendThrough(t, { delayMs: 10, uploads: { window: MIB } }, 512 * MIB);
  assert.ok(most >= 3, `${most} connections`);
});

test('an upload gives up a connection that brings nothing', async (t) => {
  const most = await sendThrough(t, { rateBytesPerSec: 50 * MIB }, 320 * MIB);
  assert.equal(most, 2);
});
