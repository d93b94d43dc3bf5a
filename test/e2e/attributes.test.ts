/** Times, permission bits and directories, through the client library and a server on each kind of store. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { SluiceClient } from '../../src/client/client.ts';
import { noise } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { failureOf } from '../support/stores/scratch-store.ts';
import { KIB, MIB, STORES, type StoreKind, startServer, type TestServer } from '../support/test-server.ts';

const TIME_MS = 1_234_567_890_123;

async function scene(
  t: TestContext,
  store: StoreKind,
): Promise<{ server: TestServer; client: SluiceClient }> {
  process.env.XDG_STATE_HOME = scratchDirectory(t);
  const server = await startServer(t, { writable: true, uploads: { minFree: 0 } }, { store });
  const client = new SluiceClient(server.address);
  t.after(() => client.close());
  return { server, client };
}

async function entryOf(client: SluiceClient, name: string) {
  for await (const entry of client.list('', { recursive: true })) if (entry.name === name) return entry;
  throw new Error(`${name} is not listed`);
}

for (const store of STORES) {
  test(`a file has the time and the bits that its upload was given, however it came (${store})`, async (t) => {
    const { client } = await scene(t, store);
    const small = Buffer.from('small');
    const large = noise(1, 3 * MIB);
    const path = join(scratchDirectory(t), 'source');
    writeFileSync(path, large.bytes(0, large.size));
    const options = { modifiedMs: TIME_MS + 0.7, mode: 0o100_640 };
    for (const [name, source] of [
      ['small', small],
      ['large', path],
      ['stream', Readable.from([small])],
    ] as const) {
      const { version } = await client.upload(source, name, options);
      const file = await client.stat(name);
      assert.deepEqual([file.modifiedMs, file.mode, file.version], [TIME_MS, 0o640, version]);
      const entry = await entryOf(client, name);
      assert.deepEqual([entry.modifiedMs, entry.mode, entry.version], [TIME_MS, 0o640, version]);
    }
  });

  test(`a directory is made with those above it, once, and with its bits (${store})`, async (t) => {
    const { client } = await scene(t, store);
    for (const mode of [0o40_700, 0o755]) await client.makeDirectory('a/b', { mode });
    const entry = await entryOf(client, 'a/b');
    assert.deepEqual([entry.isDirectory, entry.mode], [true, 0o700]);
    assert.equal((await entryOf(client, 'a')).isDirectory, true);
    await client.upload(Buffer.from('x'), 'a/b/file');
    for (const name of ['a/b/file', 'a/b/file/c']) {
      assert.equal((await failureOf(client.makeDirectory(name))).code, 'NOT_A_FILE');
    }
    assert.equal((await failureOf(client.makeDirectory('../a'))).code, 'INVALID_NAME');
    await client.delete('a/b/file');
    await client.deleteDirectory('a/b');
    await client.deleteDirectory('a');
  });

  test(`a download keeps the bits where it is asked to, and not those of what it replaces (${store})`, async (t) => {
    const { client } = await scene(t, store);
    await client.upload(Buffer.from('content'), 'file', { mode: 0o4751, modifiedMs: TIME_MS });
    const path = join(scratchDirectory(t), 'target');
    const stateOf = () => [statSync(path).mode & 0o7777, Math.trunc(statSync(path).mtimeMs)];
    writeFileSync(path, 'before');
    chmodSync(path, 0o600);
    await client.download('file', path);
    assert.deepEqual(stateOf(), [0o600, TIME_MS]);
    await client.download('file', path, { keepMode: true });
    assert.deepEqual(stateOf(), [0o751, TIME_MS]);
    await client.download('file', path, { keepMode: true, limit: 3 });
    assert.equal(statSync(path).size, 3);
  });
}

test('a server that is read-only makes no directory', async (t) => {
  const server = await startServer(t);
  const client = new SluiceClient(server.address);
  t.after(() => client.close());
  assert.equal((await failureOf(client.makeDirectory('d'))).code, 'READ_ONLY');
});

test('what nobody else may read is kept from others while it arrives too', async (t) => {
  const { client, server } = await scene(t, 'local');
  const content = server.write('file', noise(1, 4 * MIB));
  chmodSync(server.at('file'), 0o600);
  const path = join(scratchDirectory(t), 'target');
  let seen: number | undefined;
  const onProgress = ({ receivedBytes }: { receivedBytes: number }) => {
    if (receivedBytes > MIB) seen ??= statSync(`${path}.part`).mode & 0o777;
  };
  await client.download('file', path, { keepMode: true, onProgress });
  assert.equal(seen, 0o600);
  assert.deepEqual([statSync(path).size, statSync(path).mode & 0o777], [content.size, 0o600]);
});

test('a time or bits that cannot be are refused before anything is sent', async (t) => {
  const { client } = await scene(t, 'memory');
  for (const [options, problem] of [
    [{ modifiedMs: Number.NaN }, /modifiedMs/],
    [{ modifiedMs: 9e15 }, /modifiedMs/],
    [{ mode: -1 }, /mode/],
    [{ mode: 0.5 }, /mode/],
  ] as const) {
    const failure = await failureOf(client.upload(Buffer.alloc(KIB), 'file', options));
    assert.equal(failure.code, 'INVALID_ARGUMENT');
    assert.match(failure.message, problem);
  }
});

test('a store tells the bits of what lies in it, all of them', async (t) => {
  const { client, server } = await scene(t, 'local');
  server.write('file', noise(1, 10));
  mkdirSync(server.at('d'));
  chmodSync(server.at('file'), 0o6755);
  chmodSync(server.at('d'), 0o1777);
  assert.equal((await client.stat('file')).mode, 0o6755);
  assert.equal((await entryOf(client, 'd')).mode, 0o1777);
});
