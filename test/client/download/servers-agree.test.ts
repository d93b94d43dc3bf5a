/** Downloads from several servers: a connection to each of them, where they agree on the version. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MIB } from '../../../src/base/units.ts';
import { clientOf, scratchDirectory, someFile, startServer } from '../fixtures.ts';
import type { ScriptedFile } from './honest-messages.ts';
import type { ScriptedServer } from './scripted-server.ts';

/** With a small window the first connection takes hundreds of round trips; the others begin after a few. */
const OPTIONS = { chunkBytes: 256 * 1024, windowBytes: 65_535 };
const LARGE_BYTES = 32 * MIB + 77;

/** Which server has the first connection is chance. */
const TIMES = 4;

async function startServers(t: TestContext, ...files: ScriptedFile[]): Promise<ScriptedServer[]> {
  return await Promise.all(files.map((file) => startServer(t, { a: file })));
}

/** Downloads with a new client; how many calls each server got that were for bytes. */
async function fetchFrom(t: TestContext, servers: readonly ScriptedServer[], connections?: number) {
  const addresses = servers.map(({ address }) => address);
  const client = clientOf(t, addresses, OPTIONS);
  const path = join(await scratchDirectory(t), 'a');
  for (const server of servers) server.requests.length = 0;
  const result = await client.download('a', path, { connections });
  client.close();
  const fetches = servers.map(({ requests }) => requests.filter(({ limit }) => limit !== 0).length);
  return { result, fetches, content: await readFile(path) };
}

test('begins with a connection to each of the servers', async (t) => {
  const file = someFile('v1', LARGE_BYTES);
  const servers = await startServers(t, file, file, file);
  for (let time = 0; time < TIMES; time += 1) {
    const { content, fetches, result } = await fetchFrom(t, servers);
    assert.ok(file.content.equals(content));
    assert.deepEqual([result.attempts, result.restarts], [1, 0]);
    assert.ok(
      fetches.every((count) => count > 0),
      fetches.join(' '),
    );
  }
});

for (const connections of [undefined, 4]) {
  const how = connections === undefined ? 'by default' : `where ${connections} connections are asked for`;
  test(`stays with one of servers that have versions of their own, ${how}`, async (t) => {
    const files = [someFile('v1', LARGE_BYTES), someFile('v2', LARGE_BYTES)];
    const servers = await startServers(t, ...files);
    for (let time = 0; time < TIMES; time += 1) {
      const { content, fetches, result } = await fetchFrom(t, servers, connections);
      assert.equal(result.restarts, 0);
      assert.deepEqual(new Set(fetches), new Set([0, 1]));
      const file = files.find(({ version }) => version === result.version);
      assert.ok(file?.content.equals(content));
    }
  });
}

test('does not wait for servers that never say which version they have', async (t) => {
  const file = someFile('v1', LARGE_BYTES);
  const servers = await startServers(t, file, file);
  for (const server of servers) {
    server.defaultScript = {
      before: async () => {
        if (server.requests.at(-1)?.limit === 0) await new Promise(() => {});
      },
    };
  }
  const { content, fetches } = await fetchFrom(t, servers);
  assert.ok(file.content.equals(content));
  assert.deepEqual(new Set(fetches), new Set([0, 1]));
});

test('divides a file among the servers that are left', async (t) => {
  const file = someFile('v1', LARGE_BYTES);
  const [one, other, third] = await startServers(t, file, file, file);
  assert.ok(one && other && third);
  await third.close();
  const { content, fetches } = await fetchFrom(t, [one, other, third]);
  assert.ok(file.content.equals(content));
  assert.ok((fetches[0] ?? 0) > 0 && (fetches[1] ?? 0) > 0, fetches.join(' '));
});
