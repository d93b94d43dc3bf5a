import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { REQUEST_MESSAGE_TIMEOUT_MS } from '../../src/base/limits.ts';
import { countersOf } from '../../src/server/server.ts';
import type { ExchangeResponse } from '../../src/wire/messages.ts';
import { cleanUpAfter } from '../support/clean-up.ts';
import { noise } from '../support/content.ts';
import { methodOf } from '../support/peers/raw-client.ts';
import { RawExchange } from '../support/peers/raw-exchange.ts';
import { RawSession } from '../support/peers/raw-http2.ts';
import {
  KIB,
  MIB,
  type Settings,
  STORES,
  type StoreKind,
  startServer,
  type TestServer,
} from '../support/test-server.ts';
import { until } from '../support/until.ts';

const PLENTY = 2 ** 40;

async function served(
  t: TestContext,
  store: StoreKind = 'local',
  settings: Settings = {},
): Promise<{ server: TestServer; peer: RawExchange }> {
  const server = await startServer(t, settings, { store });
  const peer = new RawExchange(server.address);
  cleanUpAfter(t, () => peer.close());
  return { server, peer };
}

function stored(server: TestServer, name: string, size: number): { name: string; bytes: Buffer } {
  if (server.memory === null) mkdirSync(dirname(server.at(name)), { recursive: true });
  const content = server.write(name, noise(size, size));
  return { name, bytes: content.bytes(0, size) };
}

for (const store of STORES) {
  describe(`an Exchange (${store})`, () => {
    it('answers many requests at once, each with its own bytes and end', async (t) => {
      const { peer, server } = await served(t, store);
      const files = Array.from({ length: 20 }, (_, i) => stored(server, `d/file-${i}`, i * 40_000));
      const reads = files.map(({ name }, i) =>
        peer.ask({ credit: PLENTY, read: { fileName: name, start: i, chunkSize: 30_000 } }),
      );
      const stat = peer.ask({ stat: { fileName: 'd/file-3' } });
      const list = peer.ask({ credit: MIB, list: { prefix: 'd', recursive: true } });
      const missing = peer.ask({ credit: PLENTY, read: { fileName: 'd/no-such-file' } });
      assert.equal(await peer.endOf(missing), 'NOT_FOUND');
      assert.equal(await peer.endOf(stat), 'OK');
      assert.equal(Number(peer.of(stat)[0]?.info?.size), 3 * 40_000);
      assert.equal(await peer.endOf(list), 'OK');
      assert.equal(peer.of(list).flatMap(({ entries }) => entries?.entries ?? []).length, 20);
      for (const [i, id] of reads.entries()) {
        const { bytes, name } = files[i] as (typeof files)[number];
        const end = await peer.endOf(id);
        if (i > bytes.length) assert.equal(end, 'OUT_OF_RANGE', name);
        else assert.ok(end === 'OK' && peer.bytesOf(id).equals(bytes.subarray(i)), name);
      }
      peer.halfClose();
      assert.equal(await peer.ended(), 'OK');
      await server.untilIdle();
    });

    it('sends what is granted and no more, and holds nothing meanwhile', async (t) => {
      const { peer, server } = await served(t, store);
      const { bytes, name } = stored(server, 'file', MIB);
      const none = peer.ask({ read: { fileName: name } });
      const some = peer.ask({ credit: 100_000, read: { fileName: name } });
      await until('what was granted', () => peer.bytesOf(some).length === 100_000);
      await until(
        'no slab held',
        () => server.server.stats().slabs.free === server.server.stats().slabs.count,
      );
      assert.equal(peer.of(none).length, 0);
      peer.send({ id: some, credit: PLENTY });
      assert.equal(await peer.endOf(some), 'OK');
      assert.ok(peer.bytesOf(some).equals(bytes));
      peer.send({ id: none, credit: bytes.length });
      assert.equal(await peer.endOf(none), 'OK');
      assert.ok(peer.bytesOf(none).equals(bytes));
    });

    it('lets a request be cancelled that the others do not notice', async (t) => {
      const { peer, server } = await served(t, store);
      const { bytes, name } = stored(server, 'file', 4 * MIB);
      const ids = Array.from({ length: 30 }, () => peer.ask({ credit: 50_000, read: { fileName: name } }));
      const [cancelled = 0, ...others] = ids;
      await until('all begun', () => ids.every((id) => peer.bytesOf(id).length > 0));
      peer.send({ id: cancelled, cancel: true });
      assert.equal(await peer.endOf(cancelled), 'CANCELLED');
      // It may cross the end of the request: nothing happens then.
      peer.send({ id: cancelled, credit: 1000 });
      for (const id of others.slice(0, 5)) peer.send({ id, credit: PLENTY });
      for (const id of others.slice(5)) peer.send({ id, cancel: true });
      for (const id of others.slice(0, 5)) {
        assert.equal(await peer.endOf(id), 'OK');
        assert.ok(peer.bytesOf(id).equals(bytes));
      }
      for (const id of others.slice(5)) assert.equal(await peer.endOf(id), 'CANCELLED');
      assert.equal(peer.status, undefined);
      peer.cancel();
      await server.untilIdle();
    });
  });
}

describe('an Exchange', () => {
  it('tells its limits to a peer that has asked for nothing yet', async (t) => {
    const server = await startServer(t);
    const began = performance.now();
    const stream = new RawSession(t, server.port).open('Exchange');
    const [first] = (await once(stream, 'data')) as [Buffer];
    // After this timeout any stream is begun.
    assert.ok(performance.now() - began < REQUEST_MESSAGE_TIMEOUT_MS);
    const { limits } = methodOf('Exchange').responseDeserialize(first.subarray(5)) as ExchangeResponse;
    assert.ok(Number(limits?.maxRequests) > 0);
    stream.close();
    await server.untilIdle();
  });

  it('finishes what is open when its peer half-closes, credit or not', async (t) => {
    const { peer, server } = await served(t);
    const { bytes, name } = stored(server, 'file', MIB);
    const ids = [0, 0, 70_000].map((credit) => peer.ask({ credit, read: { fileName: name } }));
    peer.halfClose();
    assert.equal(await peer.ended(), 'OK');
    for (const id of ids) {
      assert.equal(await peer.endOf(id), 'OK');
      assert.ok(peer.bytesOf(id).equals(bytes));
    }
  });

  const broken: [string, Record<string, unknown>[]][] = [
    [
      'an id again',
      [
        { id: 5, stat: { fileName: 'file' } },
        { id: 5, stat: { fileName: 'file' } },
      ],
    ],
    [
      'an id below the last',
      [
        { id: 5, stat: { fileName: 'file' } },
        { id: 4, stat: { fileName: 'file' } },
      ],
    ],
    ['the id 0', [{ id: 0, stat: { fileName: 'file' } }]],
    ['credit for a request that never was', [{ id: 1, credit: 10 }]],
    ['a cancel of a request that never was', [{ id: 1, cancel: true }]],
    [
      'a negative credit',
      [
        { id: 1, read: { fileName: 'file' } },
        { id: 1, credit: -1 },
      ],
    ],
    ['a negative first credit', [{ id: 1, credit: -1, read: { fileName: 'file' } }]],
    [
      'a credit above the limit',
      [
        { id: 1, read: { fileName: 'file' } },
        { id: 1, credit: 2 ** 50 },
      ],
    ],
  ];
  for (const [what, messages] of broken) {
    it(`ends with INVALID_ARGUMENT for ${what}`, async (t) => {
      const { peer, server } = await served(t);
      stored(server, 'file', 1000);
      for (const message of messages) peer.send(message as { id: number });
      assert.equal(await peer.ended(), 'INVALID_ARGUMENT');
      await server.untilIdle();
    });
  }

  it('refuses a request above the limit, and serves on when others have ended', async (t) => {
    const { peer, server } = await served(t);
    const { name } = stored(server, 'file', 1000);
    await until('limits', () => peer.limits !== undefined);
    const most = Number(peer.limits?.maxRequests);
    const ids = Array.from({ length: most }, () => peer.ask({ read: { fileName: name } }));
    const above = peer.ask({ stat: { fileName: name } });
    assert.equal(await peer.endOf(above), 'RESOURCE_EXHAUSTED');
    peer.send({ id: ids[0] as number, cancel: true });
    assert.equal(await peer.endOf(ids[0] as number), 'CANCELLED');
    assert.equal(await peer.endOf(peer.ask({ stat: { fileName: name } })), 'OK');
    peer.cancel();
    await server.untilIdle();
  });

  it('of a peer that does not read holds the slabs of one call, and lets others pass', async (t) => {
    const { peer, server } = await served(t);
    const { bytes, name } = stored(server, 'file', 8 * MIB);
    const first = peer.ask({ credit: PLENTY, read: { fileName: name } });
    assert.equal(await peer.endOf(first), 'OK');
    peer.pause();
    for (let i = 0; i < 100; i++) peer.ask({ credit: PLENTY, read: { fileName: name } });
    await until('many open', () => server.server.stats().requests > 50);
    const other = new RawExchange(server.address);
    cleanUpAfter(t, () => other.close());
    const id = other.ask({ credit: PLENTY, read: { fileName: name } });
    assert.equal(await other.endOf(id), 'OK');
    assert.ok(other.bytesOf(id).equals(bytes));
    const { slabs } = server.server.stats();
    assert.ok(slabs.count - slabs.free <= server.config.stream.jobsInFlight + 1, JSON.stringify(slabs));
  });

  it('does not read a peer on that asks and does not read', async (t) => {
    const { peer, server } = await served(t);
    const { name } = stored(server, 'n'.repeat(200), 10);
    await until('limits', () => peer.limits !== undefined);
    peer.pause();
    for (let i = 0; i < 20_000; i++) peer.ask({ stat: { fileName: name } });
    const answered = () => countersOf(server.server).exchangeRequests.value('stat', 'OK');
    let before = -1;
    await until('it is not read any more', () => {
      const now = answered();
      const isStill = now > 0 && now === before;
      before = now;
      return isStill;
    });
    assert.ok(answered() < 10_000, `${answered()} were answered`);
    peer.resume();
    await until('all answered', () => answered() === 20_000);
  });

  it('is cut off where it sends what is no message', async (t) => {
    const { peer, server } = await served(t, 'local', { chunk: { size: 64 * KIB, maxSize: 64 * KIB } });
    peer.ask({ write: { content: Buffer.alloc(MIB) } });
    assert.equal(await peer.ended(), 'RESOURCE_EXHAUSTED');
    await server.untilIdle();
  });
});
