/** Uploads of any size to a bucket: by the command line, and at the seam by servers that share one. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TransferError } from '../../src/base/errors.ts';
import { newUploadId } from '../../src/base/upload-id.ts';
import { SluiceClient } from '../../src/client/client.ts';
import type { Reader } from '../../src/storage/byte-source.ts';
import type { Store } from '../../src/storage/store.ts';
import type { UploadStore } from '../../src/storage/upload-store.ts';
import { crc32 } from '../../src/wire/crc32.ts';
import { race } from '../storage/s3/upload-race.ts';
import { Stream, send } from '../storage/s3/upload-server.ts';
import { BucketScene } from '../support/ceph/bucket-scene.ts';
import { assertBytes, noise } from '../support/content.ts';
import { startRelay } from '../support/relay.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { runSluice, SluiceProcess } from '../support/sluice-process.ts';

const MIB = 1024 * 1024;
const PART = 8 * MIB;
const SLAB = 512 * 1024;

const RACES = Number(process.env.SLUICE_TEST_RACES ?? 20);

async function server(scene: BucketScene): Promise<{ store: Store; uploads: UploadStore }> {
  const { store, uploads } = await scene.store('base', true);
  assert.ok(uploads !== null);
  return { store, uploads };
}

async function contentOf(store: Store, name: string): Promise<Buffer> {
  const { identity, source } = await store.open(name);
  const bytes = new Uint8Array(new SharedArrayBuffer(identity.size));
  const { signal } = new AbortController();
  for (let at = 0; at < bytes.length; at += MIB)
    await (source as Reader).read(bytes.subarray(at, at + MIB), at, signal);
  return Buffer.from(bytes);
}

function unlessAbsent(reason: unknown): undefined {
  if (TransferError.from(reason).code !== 'NOT_FOUND') throw reason;
}

function random(seed: number, size: number): Buffer {
  return noise(seed, size).bytes(0, size);
}

/** Files on the disk of the client, and a server that writes. */
async function client(t: TestContext) {
  const scene = await BucketScene.make(t);
  const { address, server: serving } = await scene.served({}, ['--writable']);
  return { scene, address, serving, cwd: scratchDirectory(t) };
}

test('files of no part, of one and of several go up whole', async (t) => {
  const { scene, address, cwd } = await client(t);
  for (const size of [0, 1, 300_000, PART, PART + 1, 40 * MIB + 123]) {
    const content = random(size, size);
    writeFileSync(join(cwd, 'file'), content);
    const put = await runSluice(t, ['put', 'file', `${address}/f-${size}`], { cwd });
    assert.equal(put.code, 0, put.stderr);
    const { store } = await scene.store();
    assert.ok((await contentOf(store, `f-${size}`)).equals(content), `${size}`);
  }
  const again = await runSluice(t, ['put', '--no-overwrite', 'file', `${address}/f-1`], { cwd });
  assert.notEqual(again.code, 0);
  assert.match(again.stderr, /already/);
  assert.equal(await scene.openMultiparts(), 0);
});

test('a stream of unknown size goes up whole', async (t) => {
  const { scene, address, cwd } = await client(t);
  const content = random(7, 20 * MIB + 5);
  const put = new SluiceProcess(t, ['put', '-', `${address}/stream`], { cwd, input: true });
  put.process.stdin?.end(content);
  const { code, stderr } = await put.outcome();
  assert.equal(code, 0, stderr);
  assert.ok((await contentOf((await scene.store()).store, 'stream')).equals(content));
});

test('an upload whose server is killed goes on on another one, with what is committed', async (t) => {
  const { scene, address, serving, cwd } = await client(t);
  const content = noise(3, 200 * MIB);
  writeFileSync(join(cwd, 'large'), content.bytes(0, content.size));
  const put = new SluiceProcess(t, ['put', 'large', `${address}/large`, '--json'], { cwd });
  const hasLedger = async () =>
    (await scene.keys()).some((key) => /^\.sluice-uploads\/[0-9a-f]{32}\.e/.test(key));
  let looks = 0;
  while (!(await hasLedger())) assert.ok(++looks < 2000, 'a part is committed');
  await serving.end('SIGKILL');
  const port = address.slice(address.lastIndexOf(':') + 1);
  await scene.served({}, ['--writable', '--listen', `127.0.0.1:${port}`]);
  const { code, stderr } = await put.outcome();
  assert.equal(code, 0, stderr);
  assertBytes(await contentOf((await scene.store()).store, 'large'), content, 0);
  assert.equal(await scene.openMultiparts(), 0);
});

test('servers behind one address share an upload of several connections', async (t) => {
  const scene = await BucketScene.make(t);
  const servers = await Promise.all([0, 1].map(() => scene.served({}, ['--writable'])));
  const { address } = await startRelay(t, ...servers.map((each) => Number(each.address.split(':').at(-1))));
  const client = new SluiceClient(address, { ownConnection: true });
  t.after(() => client.close());
  const content = noise(6, 160 * MIB);
  const { restarts } = await client.upload(content.bytes(0, content.size), 'shared', { connections: 4 });
  assert.equal(restarts, 0);
  assertBytes(await contentOf((await scene.store()).store, 'shared'), content, 0);
});

test('another server goes on with the parts that are committed, and the former owner is fenced off', async (t) => {
  const scene = await BucketScene.make(t);
  const [one, two] = [await server(scene), await server(scene)];
  const id = newUploadId();
  const content = random(4, 3 * PART + 77);
  const expected = { size: content.length, crc32: crc32(content) };
  const first = await one.uploads.start({ id, name: 'a', expected, condition: { kind: 'absent' } });
  const stream = await Stream.open(first);
  await stream.write(content, 0, PART + 1000, SLAB);
  await first.sync();
  const second = await two.uploads.find(id);
  assert.equal(second.state().committedSize, PART);
  await send(second, content, 0, 2 * PART, SLAB);
  await stream.write(content, 2 * PART, 3 * PART, SLAB).catch(() => {});
  await assert.rejects(first.sync(), { code: 'TAKEN_OVER' });
  await stream.end();
  await send(second, content, 0, content.length, SLAB);
  const file = await second.finish(expected);
  assert.equal(file.version, await scene.etag('base/a'));
  assert.ok((await contentOf(two.store, 'a')).equals(content));
  assert.deepEqual((await one.uploads.find(id)).state().file, file);
  assert.equal(await scene.openMultiparts(), 0);
});

test(`of two servers that race for one upload one makes the file, and no bytes are mixed, ${RACES} times`, async (t) => {
  const scene = await BucketScene.make(t);
  const [one, two] = [await server(scene), await server(scene)];
  for (let turn = 0; turn < RACES; turn++) {
    const name = `race-${turn}`;
    const size = turn % 4 === 0 ? PART + 1000 : 1000;
    const bytes = random(turn, size);
    const contents = [bytes, turn % 2 === 0 ? bytes : random(turn + RACES, size)] as const;
    const content = () => contentOf(two.store, name).catch(unlessAbsent);
    await race({ name, servers: [one.uploads, two.uploads], contents, slabBytes: SLAB, content });
  }
});

test('an upload keeps its condition until its finish, and an aborted one leaves nothing', async (t) => {
  const scene = await BucketScene.make(t);
  const { uploads } = await server(scene);
  const content = random(5, PART + 10);
  const expected = { size: content.length };
  const late = await uploads.start({ name: 'a', expected, condition: { kind: 'absent' } });
  await send(late, content, 0, content.length, SLAB);
  await scene.put('base/a', 'another');
  await assert.rejects(late.finish(expected), { code: 'ALREADY_EXISTS' });
  await late.abort();
  assert.deepEqual(await scene.keys(), ['base/a']);
  assert.equal(await scene.openMultiparts(), 0);
});
