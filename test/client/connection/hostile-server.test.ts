/** What a server says is bounded, whatever it says. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { MIB } from '../../../src/base/units.ts';
import type { ListEntry } from '../../../src/wire/messages.ts';
import { clientOf, collect, failureOf, someFile, startServer } from '../fixtures.ts';
import { scene } from '../upload/scene.ts';

const ONCE = { retry: { attempts: 1 } };

async function listed(entries: AsyncIterable<ListEntry>): Promise<number> {
  let count = 0;
  for await (const _entry of entries) count += 1;
  return count;
}

function entry(changes: Partial<ListEntry>): ListEntry {
  return { name: 'a', isDirectory: false, size: 1, modifiedMs: 0, version: '', ...changes };
}

test('refuses a listing with names, versions or messages larger than any', async (t) => {
  const server = await startServer(t, {});
  const client = clientOf(t, server, ONCE);
  for (const [hostile, why] of [
    [entry({ name: 'n'.repeat(3_000) }), /a name of 3000 characters/],
    [entry({ version: 'v'.repeat(2_000) }), /a version of 2000 characters/],
    [entry({ name: 'n'.repeat(3 * MIB) }), /an answer to ListFiles has 3145\d+ bytes/],
  ] as const) {
    server.listing = [entry({}), hostile];
    const failure = await failureOf(listed(client.list()));
    assert.equal(failure.code, 'PROTOCOL_ERROR');
    assert.match(failure.message, why);
  }
});

test('refuses a file with a version of ten megabytes', async (t) => {
  const server = await startServer(t, { a: someFile('v'.repeat(10 * MIB)) });
  const client = clientOf(t, server, ONCE);
  for (const call of [client.stat('a'), collect(client.stream('a'))]) {
    assert.equal((await failureOf(call)).code, 'PROTOCOL_ERROR');
  }
});

test('refuses an upload id of five megabytes, and chunks of one byte', async (t) => {
  const { client, peer } = await scene(t, ONCE);
  const content = randomBytes(MIB);
  peer.maxChunkBytes = 1;
  assert.match(
    (await failureOf(client.upload(content, 'a'))).message,
    /takes chunks of 1 bytes; 1024 are the least/,
  );
  peer.maxChunkBytes = MIB;
  peer.choosesIds = true;
  peer.idPrefix = 'x'.repeat(5 * MIB);
  assert.equal((await failureOf(client.upload(content, 'a'))).code, 'PROTOCOL_ERROR');
  peer.idPrefix = 'x'.repeat(300);
  assert.match(
    (await failureOf(client.upload(content, 'a'))).message,
    /an upload id of 336 characters; 256 are the most/,
  );
});
