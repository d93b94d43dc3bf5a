/** Two servers of one bucket behind the balancers: any of them continues any transfer, so nothing keeps a client at one. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { S3Server } from '../../support/bucket/s3-server.ts';
import { noise, writeContent } from '../../support/content.ts';
import { type Answered, RawClient } from '../../support/peers/raw-client.ts';
import { chunkMessages, expectedOf, sendMessages } from '../../support/peers/raw-upload.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { Random } from '../../support/seed.ts';
import { KIB, MIB } from '../../support/test-server.ts';
import { until, within } from '../../support/until.ts';
import { BALANCERS, lacks, startProcessScene } from './scene.ts';

const PART_BYTES = 8 * MIB;

/** Two parts, the last one shorter. */
const UPLOADED = noise(4, PART_BYTES + 3 * MIB + 17);

/** More than a client with a small window, a balancer and a server hold for a reader that has stopped. */
const DOWNLOADED = noise(5, 32 * MIB);
const WINDOW_BYTES = 256 * KIB;

const TRANSFERS_MS = 60_000;

async function startBucketScene(t: TestContext, name: (typeof BALANCERS)[number]) {
  const s3 = await S3Server.start(t);
  const settings = { writable: true, s3: { endpoint: s3.endpoint, pathStyle: true } };
  // The SDK says at each start which versions of Node it will want some day.
  const env = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', NODE_NO_WARNINGS: '1' };
  const scene = await startProcessScene(t, { name, roots: ['s3://bucket', 's3://bucket'], settings }, env);
  const digestOfObject = (key: string) => digestOf(s3.objects.get(key)?.body ?? Buffer.alloc(0));
  return { ...scene, s3, digestOfObject };
}

for (const name of BALANCERS) {
  test(`${name}: calls of an upload to a bucket may each land on another server`, {
    skip: lacks(name),
  }, async (t) => {
    const { address, client, digestOfObject, totals } = await startBucketScene(t, name);
    const digest = digestOf(UPLOADED.bytes(0, UPLOADED.size));
    // Connections and calls take turns alike, when each call has a connection of its own.
    const call = async (what: string, ask: (own: RawClient) => Promise<Answered>) => {
      const own = new RawClient(address);
      t.after(() => own.close());
      const { answer, code, details, status } = await within(what, ask(own));
      assert.equal(status, 'OK', `${what}: ${code} ${details}`);
      return answer;
    };
    const request = { fileName: 'calls', expected: expectedOf(UPLOADED) };
    const started = await call('begin', (own) => own.unary('StartUpload', request));
    const uploadId = String(started?.uploadId);
    const random = new Random(1);
    for (let start = 0; start < UPLOADED.size; start += PART_BYTES) {
      const end = Math.min(UPLOADED.size, start + PART_BYTES);
      const messages = chunkMessages(UPLOADED, start, end, random, 128 * KIB);
      await call(`send from ${start} on`, (own) => sendMessages(own, uploadId, messages));
    }
    const status = await call('look', (own) => own.unary('GetUploadStatus', { uploadId }));
    assert.equal(Number(status?.committedSize), UPLOADED.size);
    await call('finish', (own) => own.unary('FinishUpload', { uploadId }));

    assert.equal(digestOfObject('calls'), digest);
    const calls = (await totals()).map((server) => server.calls);
    assert.ok(
      calls.every((count) => count >= 2),
      `the servers had ${calls.join(' and ')} calls`,
    );

    const folder = scratchDirectory(t);
    const [source, target] = [join(folder, 'source'), join(folder, 'target')];
    writeContent(source, UPLOADED);
    await client().upload(source, 'connections', { connections: 4 });
    assert.equal(digestOfObject('connections'), digest);
    await client().download('connections', target, { connections: 4 });
    assert.equal(digestOf(readFileSync(target)), digest);
  });

  test(`${name}: transfers from and to a bucket go on at the other server when one is killed`, {
    skip: lacks(name),
  }, async (t) => {
    const { client, digestOfObject, s3, servers, totals } = await startBucketScene(t, name);
    const downloaded = digestOf(s3.put('file', DOWNLOADED.bytes(0, DOWNLOADED.size)).body);
    const content = UPLOADED.bytes(0, UPLOADED.size);
    let isKilled = false;
    const kill = () => until('a server is killed', () => isKilled, { limitMs: TRANSFERS_MS });
    let halfWay = 0;

    const download = async (): Promise<number> => {
      const hash = createHash('sha256');
      let isFirst = true;
      const reader = new Writable({
        write: (bytes: Buffer, _, done) => {
          hash.update(bytes);
          if (!isFirst) {
            done();
            return;
          }
          isFirst = false;
          halfWay += 1;
          kill().then(() => done(), done);
        },
      });
      const { attempts } = await client({ windowBytes: WINDOW_BYTES }).download('file', reader);
      assert.equal(hash.digest('hex'), downloaded);
      return attempts;
    };
    const upload = async (key: string): Promise<number> => {
      let durableBytes = 0;
      async function* pieces() {
        // A part that is stored, and some of one that the server has in its memory.
        yield content.subarray(0, PART_BYTES + MIB);
        await until('a part is durable', () => durableBytes >= PART_BYTES);
        halfWay += 1;
        await kill();
        yield content.subarray(PART_BYTES + MIB);
      }
      const { attempts } = await client().upload(pieces(), key, {
        onProgress: (progress) => {
          durableBytes = progress.durableBytes;
        },
      });
      assert.equal(digestOfObject(key), digestOf(content));
      return attempts;
    };

    const transfers: Promise<number>[] = [];
    for (const begin of [download, download, () => upload('one'), () => upload('two')]) {
      const transfer = begin();
      transfer.catch(() => {}); // Awaited below.
      transfers.push(transfer);
      // One after the other, so that each server has one of the downloads.
      await until('it is half-way', () => halfWay === transfers.length);
    }
    const victim = (await totals()).findIndex(({ transfers: methods }) =>
      ['StreamFile', 'UploadFile'].every((method) => methods.includes(method)),
    );
    assert.ok(victim >= 0, 'no server has transfers in both directions');
    await servers[victim]?.end('SIGKILL');
    isKilled = true;

    const attempts = await within('all transfers end', Promise.all(transfers), TRANSFERS_MS);
    const [down = 0, up = 0] = [attempts.slice(0, 2), attempts.slice(2)].map((counts) => Math.max(...counts));
    assert.ok(down > 1 && up > 1, `the attempts of each transfer: ${attempts.join(', ')}`);
  });
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
