/** Sessions of the client on a real server. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { SluiceClient } from '../../src/client/client.ts';
import { packLimits } from '../../src/client/exchange/requests/limits.ts';
import { readPack } from '../../src/client/exchange/requests/pack-read.ts';
import { writePack } from '../../src/client/exchange/requests/pack-write.ts';
import type { SluiceSession } from '../../src/client/exchange/session.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import { noise } from '../support/content.ts';
import { startRelay } from '../support/relay.ts';
import { Random, seedOf } from '../support/seed.ts';
import { KIB, MIB, STORES, type StoreKind, startServer, type TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

function sessionOn(t: TestContext, address: string, options: ClientOptions = {}): SluiceSession {
  const client = new SluiceClient(address, {
    ownConnection: true,
    ...options,
    retry: { initialBackoffMs: 1, maxBackoffMs: 5, ...options.retry },
  });
  const session = client.session();
  t.after(async () => {
    await session[Symbol.asyncDispose]();
    client.close();
  });
  return session;
}

async function served(t: TestContext, store: StoreKind): Promise<TestServer> {
  return await startServer(t, { writable: true, uploads: { minFree: 0 } }, { store });
}

function stored(server: TestServer, name: string, size: number): Buffer {
  if (server.memory === null) mkdirSync(dirname(server.at(name)), { recursive: true });
  return Buffer.from(server.write(name, noise(size + 1, size)).bytes(0, size));
}

for (const store of STORES) {
  describe(`a session (${store})`, () => {
    it('reads, stats, lists and writes at once', async (t) => {
      const server = await served(t, store);
      const files = Array.from({ length: 40 }, (_, i) => ({
        name: `d/f${i}`,
        bytes: stored(server, `d/f${i}`, i * 9_001),
      }));
      const session = sessionOn(t, server.address);
      const names: string[] = [];
      const list = async () => {
        for await (const { name } of session.list('d')) names.push(name);
      };

      const [contents, infos, written] = await Promise.all([
        Promise.all(files.map(({ name }) => session.read(name).buffer())),
        Promise.all(files.map(({ name }) => session.stat(name))),
        Promise.all(files.map(({ name, bytes }) => session.write(`copy/${name}`, bytes.subarray(0, 50_000)))),
        list(),
      ]);

      for (const [i, { name, bytes }] of files.entries()) {
        assert.equal(Buffer.compare(contents[i] as Uint8Array, bytes), 0);
        assert.equal(infos[i]?.size, bytes.byteLength);
        assert.deepEqual(server.read(`copy/${name}`), bytes.subarray(0, 50_000));
        assert.equal((await session.stat(`copy/${name}`)).version, written[i]?.version);
      }
      assert.deepEqual(names, files.map(({ name }) => name).sort());
      await assert.rejects(session.stat('none'), { code: 'NOT_FOUND' });
      await assert.rejects(session.write('d/f1', Buffer.of(1), { overwrite: false }), {
        code: 'ALREADY_EXISTS',
      });
      await session.makeDirectory('empty/directory');
      await session.close();
      await server.untilIdle();
    });

    it('writes and reads packs', async (t) => {
      const server = await served(t, store);
      const session = sessionOn(t, server.address);
      const files = Array.from({ length: 100 }, (_, i) => ({
        name: `p/${i % 10}/f${i}`,
        bytes: Buffer.alloc(i * 7, `${i} `),
      }));

      const { maxBytes, maxFiles } = await packLimits(session.host);
      assert.ok(maxFiles >= 100 && maxBytes >= 100 * 700);
      const written = await writePack(session.host, files);
      const wanted = files.map(({ bytes, name }, i) => {
        const result = written[i];
        assert.ok(result !== undefined && 'version' in result);
        return { fileName: name, size: bytes.byteLength, version: i === 42 ? 'other' : result.version };
      });
      const contents: (Buffer | undefined)[] = [];
      for await (const content of readPack(session.host, wanted))
        contents.push(content && Buffer.from(content.bytes));

      assert.deepEqual(
        contents,
        files.map(({ bytes }, i) => (i === 42 ? undefined : bytes)),
      );
      await session.close();
      await server.untilIdle();
    });

    it('gets on over a connection that breaks again and again', async (t) => {
      const random = new Random(seedOf(t));
      const server = await served(t, store);
      const bytes = stored(server, 'file', 3 * MIB);
      const relay = await startRelay(t, server.port);
      for (let i = 0; i < 8; i += 1) relay.cutAfterBytes.push(random.between(1000, MIB));
      const session = sessionOn(t, relay.address, { compression: 'never' });

      const parts = Array.from({ length: 12 }, (_, i) => ({
        start: i * 200 * KIB,
        limit: random.between(0, MIB),
      }));
      const contents = await Promise.all([
        session.read('file').buffer(),
        ...parts.map((part) => session.read('file', part).buffer()),
      ]);
      const written = await Promise.all(
        parts.map((_, i) => session.write(`new${i}`, bytes.subarray(0, i * 10_000), { overwrite: false })),
      );

      assert.equal(Buffer.compare(contents[0] as Uint8Array, bytes), 0);
      for (const [i, { limit, start }] of parts.entries()) {
        assert.equal(Buffer.compare(contents[i + 1] as Uint8Array, bytes.subarray(start, start + limit)), 0);
        assert.deepEqual(server.read(`new${i}`), bytes.subarray(0, i * 10_000));
        assert.notEqual(written[i]?.version, '');
      }
      await session.close();
      await server.untilIdle();
    });
  });
}

describe('a session', () => {
  it('with hundreds of reads that nobody takes from lets ten others by, and leaves nothing behind', async (t) => {
    const server = await served(t, 'local');
    const bytes = stored(server, 'file', 2 * MIB);
    const session = sessionOn(t, server.address, { windowBytes: 64 * MIB });
    const stopped = Array.from({ length: 300 }, () => session.read('file')[Symbol.asyncIterator]());
    const first = await Promise.all(stopped.map((iteration) => iteration.next()));

    for (let i = 0; i < 10; i += 1)
      assert.equal(Buffer.compare(await session.read('file').buffer(), bytes), 0);

    assert.ok(first.every(({ done }) => done !== true));
    await until('nobody but those who stopped holds a slab', () => {
      const { slabs } = server.server.stats();
      return slabs.free === slabs.count;
    });
    await session[Symbol.asyncDispose]();
    await server.untilIdle();
  });

  it('cancels in storms', async (t) => {
    const random = new Random(seedOf(t));
    const server = await served(t, 'local');
    const bytes = stored(server, 'file', 2 * MIB);
    const session = sessionOn(t, server.address);

    const outcomes = await Promise.all(
      Array.from({ length: 600 }, async (_, i) => {
        const aborter = new AbortController();
        const start = random.between(0, MIB);
        const reading = session.read('file', { start, limit: 50_000, signal: aborter.signal }).buffer();
        if (i % 3 !== 0) setTimeout(() => aborter.abort(), random.between(0, 200));
        return await reading.then(
          (content) => Buffer.compare(content, bytes.subarray(start, start + 50_000)),
          (error) => error.code,
        );
      }),
    );

    assert.ok(outcomes.every((outcome) => outcome === 0 || outcome === 'CANCELLED'));
    assert.ok(outcomes.filter((outcome) => outcome === 0).length >= 600 / 3);
    await session.close();
    await server.untilIdle();
  });
});
