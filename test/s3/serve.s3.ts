/** The command line on a bucket. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BucketScene, ENDPOINT } from '../support/ceph/bucket-scene.ts';
import { assertBytes, noise } from '../support/content.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { startRelay } from '../support/relay.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { runSluice, SluiceProcess } from '../support/sluice-process.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;

test('a large file arrives whole, also when the server is killed and another goes on', async (t) => {
  const scene = await BucketScene.make(t);
  const content = noise(1, 96 * MIB);
  await scene.put('large.bin', content.bytes(0, content.size));
  const cwd = scratchDirectory(t);
  const first = await scene.served();
  const get = new SluiceProcess(t, ['get', `${first.address}/large.bin`, '--json'], { cwd });
  const part = join(cwd, 'large.bin.part');
  await until(
    'a part has arrived',
    () => readdirSync(cwd).includes('large.bin.part') && readFileSync(part).length > 0,
  );
  await first.server.end('SIGKILL');
  const port = first.address.slice(first.address.lastIndexOf(':') + 1);
  await scene.served({}, ['--listen', `127.0.0.1:${port}`]);
  const { code, stderr } = await get.outcome();
  assert.equal(code, 0, stderr);
  assertBytes(readFileSync(join(cwd, 'large.bin')), content, 0);
});

/** SLUICE_TEST_TREE_FILES sets how many. */
const FILES = Number(process.env.SLUICE_TEST_TREE_FILES ?? 10_000);

test('a tree of small objects comes by get -r, and went there by put -r', async (t) => {
  const scene = await BucketScene.make(t);
  const folder = scratchDirectory(t);
  const names = Array.from({ length: FILES }, (_, index) => `d${index % 10}/f${index}`);
  for (let index = 0; index < 10; index++) mkdirSync(join(folder, 'tree', `d${index}`), { recursive: true });
  for (const [index, name] of names.entries())
    writeFileSync(join(folder, 'tree', name), noise(index, 4096).bytes(0, 4096));
  const { address } = await scene.served({ prefix: 'base' }, ['--writable']);
  const put = await runSluice(t, ['put', '-r', 'tree', `${address}/tree`], { cwd: folder });
  assert.equal(put.code, 0, put.stderr);
  assert.equal((await scene.keys()).filter((key) => !key.endsWith('/')).length, names.length);

  const list = await runSluice(t, ['ls', '-r', `${address}/tree`]);
  assert.equal(list.stdout.trim().split('\n').length, names.length + 10);

  const target = scratchDirectory(t);
  const get = await runSluice(t, ['get', '-r', `${address}/tree`], { cwd: target });
  assert.equal(get.code, 0, get.stderr);
  for (const [index, name] of names.entries())
    assertBytes(readFileSync(join(target, 'tree', name)), noise(index, 4096), 0);

  const again = await runSluice(t, ['get', '-r', `${address}/tree`], { cwd: target });
  assert.match(again.stderr, /already there/);
  const remove = await runSluice(t, ['rm', '-r', `${address}/tree`]);
  assert.equal(remove.code, 0, remove.stderr);
  assert.deepEqual(await scene.keys(), []);
});

test('stat tells the ETag as version', async (t) => {
  const scene = await BucketScene.make(t);
  await scene.put('a', 'content');
  const { address } = await scene.served();
  const { stdout } = await runSluice(t, ['stat', `${address}/a`]);
  assert.ok(stdout.includes((await scene.etag('a')) ?? '?'), stdout);
});

test('a wrong bucket, wrong credentials and a store that is not there end the server with a reason', async (t) => {
  const scene = await BucketScene.make(t);
  const how = ['--listen', '127.0.0.1:0', '--s3-path-style', '--s3-endpoint'];
  const wrong = await runSluice(t, ['serve', 's3://no-such-bucket-here', ...how, ENDPOINT]);
  assert.equal(wrong.code, 2, wrong.stderr);
  assert.match(wrong.stderr, /bucket no-such-bucket-here .*NoSuchBucket/);
  const forbidden = await scene.serve({}, [], { AWS_SECRET_ACCESS_KEY: 'wrong' }).outcome();
  assert.equal(forbidden.code, 2, forbidden.stderr);
  assert.match(forbidden.stderr, /SignatureDoesNotMatch/);
  const missing = await scene.serve({ endpoint: 'http://127.0.0.1:1' }).outcome();
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /ECONNREFUSED/);
});

test('while the store is away calls end with UNAVAILABLE and the server is not ready; then all is well', async (t) => {
  const scene = await BucketScene.make(t);
  await scene.put('a', 'content');
  const relay = await startRelay(t, Number(new URL(ENDPOINT).port));
  const { address, server } = await scene.served({ endpoint: `http://${relay.address}` }, [], {
    SLUICE_ADMIN_LISTEN: '127.0.0.1:0',
  });
  const [, admin] = await server.says(/"address":"([^"]+)","msg":"metrics and probes/);
  const ready = async () => (await fetch(`http://${admin}/readyz`)).status;
  const client = new RawClient(address);
  t.after(() => client.close());
  const stat = async () => (await client.unary('StatFile', { fileName: 'a' })).status;
  assert.equal(await ready(), 200);
  relay.setAway(true);
  assert.equal(await ready(), 503);
  assert.equal(await stat(), 'UNAVAILABLE');
  relay.setAway(false);
  assert.equal(await ready(), 200);
  assert.equal(await stat(), 'OK');
});
