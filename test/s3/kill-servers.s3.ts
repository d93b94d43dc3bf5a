/** Two servers of one bucket that are killed in turn, under uploads and downloads of a client that knows both. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { SluiceClient } from '../../src/client/client.ts';
import { BucketScene } from '../support/ceph/bucket-scene.ts';
import { type Content, noise } from '../support/content.ts';
import { Random, seedOf } from '../support/seed.ts';

const MIB = 1024 * 1024;

/** Of each kind, at least: transfers begin until enough servers were killed. */
const TRANSFERS = Number(process.env.SLUICE_TEST_TRANSFERS ?? 8);
const KILL_EVERY_MS = Number(process.env.SLUICE_TEST_KILL_EVERY_MS ?? 3000);
/** Of each kind, at the same time. */
const AT_ONCE = 4;
const LEAST_KILLS = 2;

const LEAST_BYTES = 100_000;
const MOST_BYTES = 40 * MIB;

interface Transfer {
  readonly attempts: number;
  readonly restarts: number;
}

test(`${TRANSFERS} uploads and ${TRANSFERS} downloads complete while one of two servers is killed every ${KILL_EVERY_MS} ms`, async (t) => {
  const random = new Random(seedOf(t));
  const scene = await BucketScene.make(t);
  const contents = Array.from({ length: TRANSFERS }, (_, index) =>
    noise(index, random.between(LEAST_BYTES, MOST_BYTES)),
  );
  const contentOf = (index: number) => contents[index % TRANSFERS] as Content;
  const bytesOf = (index: number) => contentOf(index).bytes(0, contentOf(index).size);
  const digests = contents.map((_, index) => sha256(bytesOf(index)));
  for (const index of contents.keys()) await scene.put(`down-${index}`, bytesOf(index));

  const servers = await Promise.all([0, 1].map(() => scene.served({}, ['--writable'])));
  const client = new SluiceClient(servers.map(({ address }) => address));
  t.after(() => client.close());
  let kills = 0;
  const isEnough = (begun: number) => begun >= TRANSFERS && kills >= LEAST_KILLS;
  const uploading = severalAtOnce(isEnough, (index) => client.upload(bytesOf(index), `up-${index}`));
  const downloading = severalAtOnce(isEnough, async (index) => {
    const hash = createHash('sha256');
    const result = await client.download(`down-${index % TRANSFERS}`, hash);
    assert.equal((hash.read() as Buffer).toString('hex'), digests[index % TRANSFERS], `down-${index}`);
    return result;
  });
  const transferring = Promise.all([uploading, downloading]);
  while (await isUnderWay(transferring, KILL_EVERY_MS)) {
    const victim = kills % servers.length;
    const { address, server } = servers[victim] as (typeof servers)[number];
    await server.end('SIGKILL');
    servers[victim] = await scene.served({}, ['--writable', '--listen', address]);
    kills += 1;
  }
  const [uploads, downloads] = await transferring;
  for (const index of uploads.keys())
    assert.equal(sha256(await scene.get(`up-${index}`)), digests[index % TRANSFERS], `up-${index}`);
  const done = [...uploads, ...downloads];
  const attempts = done.reduce((sum, each) => sum + each.attempts, 0);
  const restarts = done.reduce((sum, each) => sum + each.restarts, 0);
  t.diagnostic(
    JSON.stringify({ kills, uploads: uploads.length, downloads: downloads.length, attempts, restarts }),
  );
  assert.ok(attempts > done.length, 'no transfer was interrupted');
  assert.equal(restarts, 0, 'every transfer goes on where it was');
});

/** Transfers, numbered from 0 on, until so many as are enough have begun. */
async function severalAtOnce(
  isEnough: (begun: number) => boolean,
  transfer: (index: number) => Promise<Transfer>,
): Promise<Transfer[]> {
  const done: Transfer[] = [];
  let begun = 0;
  const next = async () => {
    while (!isEnough(begun)) {
      const index = begun++;
      done[index] = await transfer(index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return done;
}

/** After so long; at once when it is over. */
async function isUnderWay(transferring: Promise<unknown>, ms: number): Promise<boolean> {
  const over = transferring.then(
    () => false,
    () => false,
  );
  return await Promise.race([over, pause(ms, true)]);
}

function sha256(bytes: Buffer | undefined): string {
  return createHash('sha256')
    .update(bytes ?? 'none')
    .digest('hex');
}
