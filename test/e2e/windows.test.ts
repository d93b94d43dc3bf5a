/** Receive windows of real servers and clients that are far from each other. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { type LinkProcess, startLinkProcess } from '../../link-emulator/link-process.ts';
import type { Logger } from '../../src/base/logger.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { SluiceClient } from '../../src/client/client.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import { clientWindows, START_WINDOW_BYTES } from '../../src/flow/windows/client-windows.ts';
import { noise, writeContent } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { KIB, MIB, type Settings, startServer, type TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

/** What the log says of a transfer that has ended. */
interface LinkNote {
  message: string;
  windowBytes: number;
  roundTripMs: number;
}

interface Scene {
  server: TestServer;
  link: LinkProcess;
  client: SluiceClient;
  notes: LinkNote[];
  warnings: string[];
}

/** A server and a client with a round trip of `roundTripMs` between them. */
async function startFar(
  t: TestContext,
  roundTripMs: number,
  { client: options = {}, server: settings = {} }: { client?: ClientOptions; server?: Settings } = {},
): Promise<Scene> {
  process.env.XDG_STATE_HOME = scratchDirectory(t);
  const server = await startServer(t, {
    writable: true,
    ...settings,
    uploads: { minFree: 0, sync: 'none', ...settings.uploads },
  });
  const target = { host: '127.0.0.1', port: server.port };
  const link = await startLinkProcess({ target, delayMs: roundTripMs / 2 });
  const [notes, warnings]: [LinkNote[], string[]] = [[], []];
  const logger: Logger = {
    ...silentLogger,
    debug: (fields, message) => 'windowBytes' in fields && notes.push({ ...fields, message } as LinkNote),
    warn: (_fields, message) => void warnings.push(message),
  };
  const client = new SluiceClient(link.address, { logger, ...options });
  t.after(async () => {
    client.close();
    await link.stop();
  });
  return { server, link, client, notes, warnings };
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

test('the window of a download grows beyond what it began with, and is told at the end', async (t) => {
  // So far that the first window limits a slow machine as well.
  const { client, notes, server, warnings } = await startFar(t, 160);
  const { size } = server.write('a', noise(1, 160 * MIB));
  const growth = until(
    'a larger window',
    () => clientWindows.stats().largestWindowBytes > START_WINDOW_BYTES,
  );
  const { bytes, verified } = await client.download('a', nowhere());
  await growth;
  assert.deepEqual([bytes, verified, warnings], [size, true, []]);
  assert.equal(notes[0]?.message, 'received');
  assert.ok((notes[0]?.roundTripMs ?? 0) >= 160, `${notes[0]?.roundTripMs} ms`);
});

test('the window of a session follows the link once it sends packs, and not before', async (t) => {
  const { client, server } = await startFar(t, 16);
  const stats = () => server.server.stats().uploadWindows;
  await using session = client.session();
  await session.makeDirectory('d');
  assert.equal(stats().sessions, 0);
  await session.write('d/a', noise(1, 128 * KIB).bytes(0, 128 * KIB));
  assert.equal(stats().sessions, 1);
  assert.ok(stats().largestWindowBytes >= MIB, `${stats().largestWindowBytes}`);
});

test('the window of an upload grows beyond what it began with, and is told at the end', async (t) => {
  const { client, notes, server, warnings } = await startFar(t, 32);
  const content = noise(1, 64 * MIB);
  const path = `${scratchDirectory(t)}/source`;
  writeContent(path, content);
  const windowNow = () => server.server.stats().uploadWindows.largestWindowBytes;
  const growth = until('a larger window', () => windowNow() >= 2 * MIB);
  const { bytes, verified } = await client.upload(path, 'a', { connections: 1 });
  await growth;
  assert.deepEqual([bytes, verified, warnings], [content.size, true, []]);
  assert.equal(notes[0]?.message, 'sent');
  assert.ok((notes[0]?.windowBytes ?? 0) >= 2 * MIB, `${notes[0]?.windowBytes} bytes`);
  assert.ok((notes[0]?.roundTripMs ?? 0) >= 32, `${notes[0]?.roundTripMs} ms`);
});

test('windows stay within the budget of the server, however many upload', async (t) => {
  const budget = 4 * MIB;
  const { client, server } = await startFar(t, 16, {
    server: { uploads: { maxWindow: '4MiB', windowBudget: budget } },
  });
  const bytes = noise(1, 12 * MIB).bytes(0, 12 * MIB);
  let mostBytes = 0;
  const watch = setInterval(() => {
    mostBytes = Math.max(mostBytes, server.server.stats().uploadWindows.grantedBytes);
  }, 1);
  await Promise.all(Array.from({ length: 8 }, (_, i) => client.upload(bytes, `a${i}`, { connections: 2 })));
  clearInterval(watch);
  assert.ok(mostBytes > 0 && mostBytes <= budget, `${mostBytes} bytes`);
});

test('a budget that is short shrinks the windows of those who have much', async (t) => {
  const { server, link } = await startFar(t, 16, {
    server: { uploads: { maxWindow: '4MiB', windowBudget: '4MiB' } },
  });
  const stats = () => server.server.stats().uploadWindows;
  const stop = new AbortController();
  const endless = async function* () {
    const piece = Buffer.alloc(256 * 1024);
    while (!stop.signal.aborted) yield piece;
  };
  const begin = async (name: string) => {
    const client = new SluiceClient(link.address, { compression: 'never' });
    const result = await client.upload(endless(), name);
    client.close();
    return result.verified;
  };
  t.after(() => stop.abort());
  const first = begin('a');
  await until('the whole budget', () => stats().largestWindowBytes === 4 * MIB);
  const second = begin('b');
  await until('equal shares', () => stats().sessions === 2 && stats().largestWindowBytes === 2 * MIB);
  stop.abort();
  assert.deepEqual(await Promise.all([first, second]), [true, true]);
});

test('sizes that are given stay, on both sides', async (t) => {
  const { client, notes, server } = await startFar(t, 16, {
    client: { windowBytes: MIB },
    server: { uploads: { window: MIB } },
  });
  server.write('a', noise(1, 16 * MIB));
  await client.download('a', nowhere());
  const bytes = noise(1, 16 * MIB).bytes(0, 16 * MIB);
  await client.upload(bytes, 'b');
  assert.deepEqual(
    notes.map(({ message, windowBytes }) => [message, windowBytes]),
    [
      ['received', MIB],
      ['sent', MIB],
    ],
  );
  assert.equal(server.server.stats().uploadWindows.sessions, 0);
});

test('a download gets on beside one whose consumer has stopped, on the same connection', async (t) => {
  const { client, server } = await startFar(t, 16);
  const { size } = server.write('a', noise(1, 64 * MIB));
  const stopped = client.stream('a');
  await stopped.next();
  const { bytes, verified } = await client.download('a', nowhere());
  assert.deepEqual([bytes, verified], [size, true]);
  await stopped.return();
});
