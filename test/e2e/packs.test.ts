/** Packs of small files, through a server and a client. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SluiceClient } from '../../src/client/client.ts';
import { readPack } from '../../src/client/exchange/requests/pack-read.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import type { PackedFile } from '../../src/wire/messages.ts';
import { noise } from '../support/content.ts';
import { startRelay } from '../support/relay.ts';
import { settled } from '../support/stores/packs.ts';
import { STORES, type StoreKind, startServer, type TestServer } from '../support/test-server.ts';

/** By name: empty ones, and some that take several messages. */
const FILES = new Map(
  Array.from({ length: 200 }, (_, i) => [
    `d${i % 9}/e/f${i}`,
    noise(i, i % 10 === 0 ? 0 : (i * i * 7) % (i % 50 === 1 ? 90_000 : 3000)),
  ]),
);

const NAMES = [...FILES.keys()];

async function scene(t: TestContext, store: StoreKind): Promise<TestServer> {
  const server = await startServer(t, {}, { store });
  if (server.memory === null) {
    for (const name of NAMES) mkdirSync(dirname(server.at(name)), { recursive: true });
  }
  for (const [name, content] of FILES) server.write(name, content);
  if (server.memory === null) await settled(...NAMES.map((name) => server.at(name)));
  return server;
}

/** All files, as the server tells of them. */
async function listed(client: SluiceClient): Promise<PackedFile[]> {
  const files: PackedFile[] = [];
  for await (const { isDirectory, name, size, version } of client.list('', { recursive: true })) {
    if (!isDirectory) files.push({ fileName: name, size, version });
  }
  return files;
}

function bytesOf(name: string): Buffer | undefined {
  const content = FILES.get(name);
  return content?.bytes(0, content.size);
}

/** Reads the files, in packs of 50 that are asked for at the same time. */
async function readAll(
  t: TestContext,
  address: string,
  files: readonly PackedFile[],
  options: ClientOptions,
): Promise<(Buffer | undefined)[]> {
  const client = new SluiceClient(address, options);
  t.after(() => client.close());
  const session = client.session();
  const contents: (Buffer | undefined)[] = [];
  const packs: Promise<void>[] = [];
  for (let first = 0; first < files.length; first += 50) {
    const pack = async () => {
      let at = first;
      for await (const content of readPack(session.host, files.slice(first, first + 50))) {
        contents[at] = content && Buffer.from(content.bytes);
        at += 1;
      }
    };
    packs.push(pack());
  }
  await Promise.all(packs);
  await session.close();
  return contents;
}

for (const store of STORES) {
  for (const compression of ['never', 'auto', 'always'] as const) {
    test(`packs have the files that are as asked, and no others (${store}, ${compression})`, async (t) => {
      const server = await scene(t, store);
      const client = new SluiceClient(server.address);
      t.after(() => client.close());
      const files = await listed(client);
      assert.equal(files.length, FILES.size);
      const wrong = files.map((file, i) => (i % 17 === 3 ? { ...file, version: 'another' } : file));
      const contents = await readAll(t, server.address, wrong, { compression });
      assert.deepEqual(
        contents,
        files.map(({ fileName }, i) => (i % 17 === 3 ? undefined : bytesOf(fileName))),
      );
    });
  }

  test(`packs come whole over streams that break off (${store})`, async (t) => {
    const server = await scene(t, store);
    const client = new SluiceClient(server.address);
    t.after(() => client.close());
    const files = await listed(client);
    const relay = await startRelay(t, server.port);
    relay.cutAfterBytes.push(20_000, 100, 50_000, 120_000);
    const contents = await readAll(t, relay.address, files, { retry: { initialBackoffMs: 1 } });
    assert.equal(relay.cutAfterBytes.length, 0);
    assert.deepEqual(
      contents,
      files.map(({ fileName }) => bytesOf(fileName)),
    );
  });
}
