/** Two servers of one bucket that are killed in turn, under uploads and downloads of a client that knows both. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Semaphore } from '../../src/base/async/semaphore.ts';
import { SluiceClient } from '../../src/client/client.ts';
import { BucketScene } from '../support/ceph/bucket-scene.ts';
import { noise } from '../support/content.ts';
import { Random, seedOf } from '../support/seed.ts';
import type { SluiceProcess } from '../support/sluice-process.ts';

const MIB = 1024 * 1024;

/** Of each kind. */
const TRANSFERS = Number(process.env.SLUICE_TEST_TRANSFERS ?? 8);
const KILL_EVERY_MS = Number(process.env.SLUICE_TEST_KILL_EVERY_MS ?? 3000);
/** Of each kind, at the same time. */
const AT_ONCE = 4;

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
  const bytesOf = (index: number) => {
    const content = contents[index % contents.length] as (typeof contents)[number];
    return content.bytes(0, content.size);
  };
  const digests = contents.map((_, index) => sha256(bytesOf(index)));
  for (const index of contents.keys()) await scene.put(`down-${index}`, bytesOf(index));

  const servers = await Promise.all([0, 1].map(() => scene.served({}, ['--writable'])));
  const client = new SluiceClient(servers.map(({ address }) => address));
  t.after(() => client.close());
  const transfers = Promise.all([
    ...all(async (index) => await client.upload(bytesOf(index), `up-${index}`)),
    ...all(async (index) => {
      const hash = createHash('sha256');
      const result = await client.download(`down-${index}`, hash);
      assert.equal((hash.read() as Buffer).toString('hex'), digests[index], `down-${index}`);
      return result;
    }),
  ]);
  const kills = await killInTurn(scene, servers, transfers);
  const done = await transfers;
  for (const index of contents.keys())
    assert.equal(sha256(await scene.get(`up-${index}`)), digests[index], `up-${index}`);
  const attempts = done.reduce((sum, each) => sum + each.attempts, 0);
  const restarts = done.reduce((sum, each) => sum + each.restarts, 0);
  t.diagnostic(JSON.stringify({ kills, transfers: done.length, attempts, restarts }));
  assert.ok(attempts > done.length, 'no transfer was interrupted');
  assert.equal(restarts, 0, 'every transfer goes on where it was');
});

/** So many transfers, a few at a time. */
function all(transfer: (index: number) => Promise<Transfer>): Promise<Transfer>[] {
  const places = new Semaphore(AT_ONCE);
  return Array.from({ length: TRANSFERS }, (_, index) => places.run(() => transfer(index)));
}

/** Kills one and starts it again, then the other, until `transfers` has ended. Resolves with the number of kills. */
async function killInTurn(
  scene: BucketScene,
  servers: { server: SluiceProcess; address: string }[],
  transfers: Promise<unknown>,
): Promise<number> {
  const ended = new AbortController();
  transfers.then(
    () => ended.abort(),
    () => ended.abort(),
  );
  let kills = 0;
  while (await isOver(pause(KILL_EVERY_MS, undefined, { signal: ended.signal }))) {
    const victim = kills % servers.length;
    const { address, server } = servers[victim] as (typeof servers)[number];
    await server.end('SIGKILL');
    servers[victim] = await scene.served({}, ['--writable', '--listen', address]);
    kills += 1;
  }
  return kills;
}

/** False once it was cut short. */
async function isOver(paused: Promise<void>): Promise<boolean> {
  try {
    await paused;
    return true;
  } catch {
    return false;
  }
}

function sha256(bytes: Buffer | undefined): string {
  return createHash('sha256')
    .update(bytes ?? 'none')
    .digest('hex');
}
