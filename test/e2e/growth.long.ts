/** Transfers that find out how many connections their link is worth. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { LinkSettings } from '../../link-emulator/link.ts';
import { startLinkProcess } from '../../link-emulator/link-process.ts';
import { SluiceClient } from '../../src/client/client.ts';
import { assertBytes, noise, writeContent } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { MIB, type Settings, startServer, type TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

interface Way extends LinkSettings {
  uploads?: Settings['uploads'];
}

interface Scene {
  client: SluiceClient;
  server: TestServer;
  /** The most connections that there were at once while `transfer` ran. */
  most(transfer: () => Promise<void>): Promise<number>;
}

async function through(t: TestContext, { uploads = {}, ...link }: Way): Promise<Scene> {
  process.env.XDG_STATE_HOME = scratchDirectory(t);
  const server = await startServer(t, { writable: true, uploads: { minFree: 0, sync: 'none', ...uploads } });
  const far = await startLinkProcess({ target: { host: '127.0.0.1', port: server.port }, ...link });
  const client = new SluiceClient(far.address, { compression: 'never' });
  t.after(async () => {
    client.close();
    await far.stop();
  });
  return {
    client,
    server,
    async most(transfer) {
      let most = 0;
      const watch = setInterval(() => {
        most = Math.max(most, server.server.stats().connections);
      }, 20);
      await transfer();
      clearInterval(watch);
      return most;
    },
  };
}

/** The most connections that an upload of so many bytes has had. */
async function sendThrough(t: TestContext, way: Way, sizeBytes: number): Promise<number> {
  const { client, most, server } = await through(t, way);
  const content = noise(1, sizeBytes);
  const path = join(scratchDirectory(t), 'source');
  writeContent(path, content);
  const connections = await most(async () => {
    const result = await client.upload(path, 'a');
    assert.deepEqual([result.bytes, result.verified, result.attempts], [sizeBytes, true, 1]);
  });
  assertBytes(readFileSync(server.at('a')), content, 0);
  await until('the server is idle again', () => server.server.stats().uploads === 0);
  return connections;
}

/** The most connections that a download of so many bytes has had. */
async function fetchThrough(t: TestContext, way: Way, sizeBytes: number): Promise<number> {
  const { client, most, server } = await through(t, way);
  const content = server.write('a', noise(1, sizeBytes));
  const path = join(scratchDirectory(t), 'copy');
  const connections = await most(async () => {
    const result = await client.download('a', path);
    assert.deepEqual([result.bytes, result.verified, result.attempts], [sizeBytes, true, 1]);
  });
  assertBytes(readFileSync(path), content, 0);
  return connections;
}

test('an upload takes more connections where each gets a share', async (t) => {
  // Half a window each round trip: 25 to 50 MiB/s for a connection.
  const most = await sendThrough(t, { delayMs: 10, uploads: { window: MIB } }, 512 * MIB);
  assert.ok(most >= 3, `${most} connections`);
});

test('an upload gives up a connection that brings nothing', async (t) => {
  const most = await sendThrough(t, { rateBytesPerSec: 20 * MIB }, 128 * MIB);
  assert.equal(most, 2);
});

test('a download takes more connections where each gets a share', async (t) => {
  const most = await fetchThrough(t, { connectionRateBytesPerSec: 25 * MIB }, 512 * MIB);
  assert.ok(most >= 3, `${most} connections`);
});

test('a download gives up a connection that brings nothing', async (t) => {
  const most = await fetchThrough(t, { rateBytesPerSec: 20 * MIB }, 128 * MIB);
  assert.equal(most, 2);
});
