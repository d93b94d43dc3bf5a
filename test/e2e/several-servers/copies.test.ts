/** Two servers, each with a copy of the same files, behind a balancer of connections. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SluiceClient } from '../../../src/client/client.ts';
import type { DownloadOptions } from '../../../src/client/download/options.ts';
import { assertBytes, noise, writeContent } from '../../support/content.ts';
import { scratchDirectory, scratchRoot } from '../../support/scratch.ts';
import { ServerProcess } from '../../support/server-process.ts';
import { MIB, type Settings, startServer, testConfig } from '../../support/test-server.ts';
import { startBalancer } from './balancer.ts';

const CONTENT = noise(1, 12 * MIB);

const PLAIN: Settings = { compression: { mode: 'off' } };

/** Two directories with copies of one file, with equal times. */
function copiesOfFile(t: TestContext): readonly string[] {
  const [one, other] = [scratchRoot(t, 'one'), scratchRoot(t, 'other')];
  writeContent(join(one, 'file'), CONTENT);
  execFileSync('cp', ['-p', join(one, 'file'), join(other, 'file')]);
  return [one, other];
}

async function startReplicas(t: TestContext, settings: Settings): Promise<readonly { address: string }[]> {
  const roots = copiesOfFile(t);
  return await Promise.all(roots.map((root) => startServer(t, { ...PLAIN, ...settings }, { root })));
}

function clientOf(t: TestContext, address: string): SluiceClient {
  const client = new SluiceClient(address, { retry: { initialBackoffMs: 10 } });
  t.after(() => client.close());
  return client;
}

test('a download goes on at a copy of its file when its server is killed', async (t) => {
  const config = (root: string) => testConfig(root, { ...PLAIN, version: { by: 'size-mtime' } });
  const servers = await Promise.all(copiesOfFile(t).map((root) => ServerProcess.start(t, config(root))));
  const balancer = await startBalancer(
    t,
    servers.map(({ address }) => address),
  );
  balancer.ends.push({ afterBytes: 6 * MIB, by: 'holding' });
  const target = join(scratchDirectory(t), 'copy');

  let receivedAtKill = 0;
  let killed: Promise<unknown> | undefined;
  const result = await clientOf(t, balancer.address).download('file', target, {
    onProgress: ({ receivedBytes }) => {
      if (killed !== undefined || receivedBytes < 3 * MIB) return;
      receivedAtKill = receivedBytes;
      killed = servers[0]?.end('SIGKILL');
    },
  });
  await killed;

  assertBytes(readFileSync(target), CONTENT, 0);
  assert.equal(result.restarts, 0);
  const [, second = 0] = balancer.passedBytes;
  const missing = CONTENT.size - receivedAtKill;
  assert.ok(second < missing + MIB, `the other server sent ${second} bytes, ${missing} were missing`);
});

test('stat, listing and download of two copies with equal times tell one version', async (t) => {
  const servers = await startReplicas(t, { version: { by: 'size-mtime' } });
  const versions = new Set<string>();
  for (const { address } of servers) {
    const client = clientOf(t, address);
    versions.add((await client.stat('file')).version);
    for await (const entry of client.list('')) versions.add(entry.version);
    versions.add((await client.download('file', join(scratchDirectory(t), 'copy'))).version);
  }
  assert.equal(versions.size, 1, [...versions].join());
});

/** Through a balancer in which each connection is cut when it has brought a quarter of the file. */
async function downloadInTurns(t: TestContext, settings: Settings, options: DownloadOptions = {}) {
  const servers = await startReplicas(t, settings);
  const balancer = await startBalancer(
    t,
    servers.map(({ address }) => address),
  );
  const end = { afterBytes: CONTENT.size / 4, by: 'cutting' } as const;
  balancer.ends.push(...Array.from({ length: 100 }, () => end));
  const target = join(scratchDirectory(t), 'copy');
  const result = await clientOf(t, balancer.address).download('file', target, options);
  assertBytes(readFileSync(target), CONTENT, 0);
  return result;
}

for (const by of ['size-mtime', 'digest'] as const) {
  test(`servers that share versions by ${by} and answer in turn bring a file without starting over`, async (t) => {
    assert.equal((await downloadInTurns(t, { version: { by } })).restarts, 0);
  });
}

test('a download from servers that answer in turn with versions of their own says what to set', async (t) => {
  await assert.rejects(downloadInTurns(t, {}), { code: 'VERSION_MISMATCH', message: /version\.by/ });
});

test('a pin by digest goes on at another server, whatever their versions are', async (t) => {
  const sha256 = createHash('sha256').update(CONTENT.bytes(0, CONTENT.size));
  const ifMatch = `sha256:${sha256.digest('hex')}`;
  const { restarts, version } = await downloadInTurns(t, {}, { ifMatch });
  assert.equal(restarts, 0);
  assert.equal(version, ifMatch);
});
