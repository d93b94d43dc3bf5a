/** Downloads over several connections, from servers of every kind. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { type ByteRange, missingRanges } from '../../../src/base/ranges.ts';
import { MIB } from '../../../src/base/units.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import type { StreamFileRequest } from '../../../src/wire/messages.ts';
import { startRelay } from '../../support/relay.ts';
import { Random, seedOf } from '../../support/seed.ts';
import { clientOf, failureOf, scratchDirectory, someFile, startServer, until } from '../fixtures.ts';
import { changed, changedSummary, first, type Message } from './honest-messages.ts';
import type { Script } from './scripted-server.ts';

const LARGE_BYTES = 48 * MIB + 77;
const WORLDS = Number(process.env.SLUICE_TEST_WORLDS ?? 3);
const OPTIONS = { chunkBytes: 256 * 1024 };

function rangeOf({ limit, start }: StreamFileRequest): ByteRange {
  return { start, end: limit === undefined ? LARGE_BYTES : start + limit };
}

/** Calls for nothing only ask whether the version is still the same. */
function fetches(requests: readonly StreamFileRequest[]): ByteRange[] {
  return requests.map(rangeOf).filter(({ start, end }) => end > start);
}

test('fetches a large file over as many connections as it is told, and the whole is right', async (t) => {
  const file = someFile('v1', LARGE_BYTES);
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  const client = clientOf(t, server, OPTIONS);
  let open = 0;
  let most = 0;
  server.defaultScript = {
    messages: function* (honest) {
      open += 1;
      most = Math.max(most, open);
      yield* honest;
      open -= 1;
    },
  };
  const result = await client.download('a', join(directory, 'a'), { connections: 3 });
  assert.ok(file.content.equals(await readFile(join(directory, 'a'))));
  assert.deepEqual(await readdir(directory), ['a']);
  assert.deepEqual(
    [result.bytes, result.crc32, result.attempts, result.restarts, result.verified, result.resumedBytes],
    [LARGE_BYTES, crc32(file.content), 1, 0, true, 0],
  );
  assert.equal(server.connections, 3);
  assert.ok(most >= 2, `${most} calls at once`);
  assert.ok(server.requests.slice(1).every(({ ifMatch }) => ifMatch === 'v1'));
});

test('takes one connection for a small file, for a stream, and from a server without versions', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile(), b: someFile('v1', LARGE_BYTES) });
  const client = clientOf(t, server, OPTIONS);
  await client.download('a', join(directory, 'a'), { connections: 4 });
  await client.download('b', new WritableStream(), { connections: 4 });
  server.isPlain = true;
  await client.download('b', join(directory, 'b'), { connections: 4 });
  assert.equal(server.connections, 1);
  const failure = await failureOf(client.download('a', join(directory, 'a'), { connections: 17 }));
  assert.equal(failure.code, 'INVALID_ARGUMENT');
});

test('goes on when one of two connections is destroyed half-way', async (t) => {
  const file = someFile('v1', LARGE_BYTES);
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  const relay = await startRelay(t, server.port);
  relay.cutAfterBytes.push(Number.POSITIVE_INFINITY, 8 * MIB);
  const client = clientOf(t, relay.address, OPTIONS);
  const result = await client.download('a', join(directory, 'a'), { connections: 2 });
  assert.ok(file.content.equals(await readFile(join(directory, 'a'))));
  assert.equal(result.restarts, 0);
});

test('goes on with the others where there is no place for a further connection', async (t) => {
  const file = someFile('v1', LARGE_BYTES);
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  const relay = await startRelay(t, server.port);
  relay.cutAfterBytes.push(Number.POSITIVE_INFINITY, 0, 0, 0, 0, 0, 0);
  const client = clientOf(t, relay.address, OPTIONS);
  await client.download('a', join(directory, 'a'), { connections: 3 });
  assert.ok(file.content.equals(await readFile(join(directory, 'a'))));
});

test('fetches only that range again whose summary is wrong', async (t) => {
  const file = someFile('v1', LARGE_BYTES);
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  let wrong: number | undefined;
  server.defaultScript = {
    messages: (honest) => {
      const { start } = server.requests.at(-1) as StreamFileRequest;
      if (start === 0 || wrong !== undefined) return honest;
      wrong = start;
      return changedSummary((message) => ({ summary: { ...message.summary, crc32: 1 } as never }))(honest);
    },
  };
  const client = clientOf(t, server, OPTIONS);
  const result = await client.download('a', join(directory, 'a'), { connections: 2 });
  assert.ok(file.content.equals(await readFile(join(directory, 'a'))));
  assert.equal(result.crc32, crc32(file.content));
  const starts = fetches(server.requests).map(({ start }) => start);
  assert.equal(starts.filter((start) => start === 0).length, 1, starts.join(' '));
});

test('does not fetch what an earlier run of several connections made durable', async (t) => {
  const file = someFile('v1', LARGE_BYTES);
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  const client = clientOf(t, server, OPTIONS);
  const abort = new AbortController();
  const download = failureOf(
    client.download('a', join(directory, 'a'), {
      connections: 3,
      signal: abort.signal,
      onProgress: ({ receivedBytes }) => {
        if (receivedBytes > LARGE_BYTES / 3) abort.abort();
      },
    }),
  );
  assert.equal((await download).code, 'CANCELLED');
  await until(() => server.openCalls === 0);
  const { ranges } = JSON.parse(await readFile(join(directory, 'a.part.json'), 'utf8')) as {
    ranges: ByteRange[];
  };
  const before = server.requests.length;
  const result = await client.download('a', join(directory, 'a'), { connections: 3 });
  assert.ok(file.content.equals(await readFile(join(directory, 'a'))));
  assert.equal(result.crc32, crc32(file.content));
  assert.equal(
    result.resumedBytes,
    ranges.reduce((bytes, { start, end }) => bytes + end - start, 0),
  );
  assertApart(fetches(server.requests.slice(before)), ranges);
});

/** Nothing of `durable` is asked for. */
function assertApart(asked: readonly ByteRange[], durable: readonly ByteRange[]): void {
  for (const { start, end } of asked) {
    assert.deepEqual(missingRanges(durable, start, end), [{ start, end }]);
  }
}

test('does not splice two versions when the file changes under several connections', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile('v1', LARGE_BYTES) });
  const newer = someFile('v2', LARGE_BYTES);
  let calls = 0;
  server.defaultScript = {
    messages: function* (honest) {
      calls += 1;
      const isThird = calls === 3;
      for (const message of honest) {
        if (isThird) server.files.set('a', newer);
        yield message;
        if (isThird && server.files.get('a') === newer) {
          throw new TransferError('FILE_CHANGED', 'a has changed', { version: 'v2' });
        }
      }
    },
  };
  const client = clientOf(t, server, OPTIONS);
  const result = await client.download('a', join(directory, 'a'), { connections: 3 });
  assert.ok(newer.content.equals(await readFile(join(directory, 'a'))));
  assert.deepEqual([result.version, result.restarts], ['v2', 1]);
});

test('a further connection whose server has another version is left, and the first one goes on', async (t) => {
  const file = someFile('v1', LARGE_BYTES);
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  server.scripts.push(
    {},
    { messages: () => [], ending: new TransferError('VERSION_MISMATCH', 'another', { version: 'v0' }) },
  );
  const client = clientOf(t, server, OPTIONS);
  const result = await client.download('a', join(directory, 'a'), { connections: 2 });
  assert.ok(file.content.equals(await readFile(join(directory, 'a'))));
  assert.deepEqual([result.version, result.restarts], ['v1', 0]);
});

/** Ways in which one call can go wrong; the client must get over each of them. */
const FAULTS: readonly ((random: Random) => Script)[] = [
  (random) => ({
    messages: first(random.between(0, 40)),
    ending: new TransferError('UNAVAILABLE', 'draining'),
  }),
  (random) => ({ messages: first(random.between(0, 40)), ending: 'reset' }),
  (random) => ({ messages: first(random.between(0, 40)), ending: 'cut' }),
  (random) => ({ messages: first(random.between(1, 40)) }),
  (random) => ({
    messages: first(random.between(0, 2)),
    ending: new TransferError('RESOURCE_EXHAUSTED', 'full'),
  }),
  (random) => ({
    messages: changed(random.between(1, 20), (message) => ({ ...message, crc32: 1 })),
  }),
  (random) => ({
    messages: changed(random.between(1, 20), (message) => ({
      ...message,
      offset: (message.offset ?? 0) + 1,
    })),
  }),
  () => ({ messages: changedSummary((message) => ({ summary: { ...message.summary, size: 1 } as never })) }),
  () => ({ messages: changed(0, withSize(1)) }),
  () => ({ messages: changed(0, withSize(-1)) }),
  () => ({
    messages: changed(0, (message) => ({ ...message, file: { ...message.file, version: 'v0' } as never })),
  }),
];

function withSize(more: number): (message: Message) => Message {
  return (message) => ({
    ...message,
    ...(message.file ? { file: { ...message.file, size: message.file.size + more } } : {}),
  });
}

test('gets the right bytes from whatever servers do, or says what is wrong', async (t) => {
  const seed = seedOf(t);
  const random = new Random(seed);
  const file = someFile('v1', LARGE_BYTES);
  let finished = 0;
  for (let world = 0; world < WORLDS; world += 1) {
    const directory = await scratchDirectory(t);
    const server = await startServer(t, { a: file });
    const client = clientOf(t, server, { ...OPTIONS, retry: { attempts: 6 } });
    let faults = random.between(1, 8);
    const honest: Script = { ending: 'ok' };
    Object.defineProperty(server, 'defaultScript', {
      get: () => {
        if (faults === 0 || random.next() < 0.5) return honest;
        faults -= 1;
        return random.pick(FAULTS)(random);
      },
    });
    const target = join(directory, 'a');
    const connections = random.between(2, 5);
    try {
      const result = await client.download('a', target, { connections });
      assert.ok(file.content.equals(await readFile(target)), 'wrong bytes under the final name');
      assert.equal(result.crc32, crc32(file.content));
      finished += 1;
    } catch (reason) {
      if (!(reason instanceof TransferError)) throw reason;
      assert.ok(['FILE_CHANGED', 'VERSION_MISMATCH', 'PROTOCOL_ERROR'].includes(reason.code), String(reason));
      // What was kept is good for the next run.
      faults = 0;
      await client.download('a', target, { connections });
      assert.ok(file.content.equals(await readFile(target)), 'wrong bytes after a resume');
    }
    client.close();
    await server.close();
  }
  t.diagnostic(`${finished} of ${WORLDS} downloads got over all faults`);
});
