/** kill -9 of one of two servers; for longer, and under more downloads, in kill-servers.long.ts. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceClient } from '../../../src/client/client.ts';
import { noise, writeContent } from '../../support/content.ts';
import { serversKilledInTurn } from '../../support/kill/kill-servers.ts';
import { scratchDirectory, scratchRoot } from '../../support/scratch.ts';
import { ServerProcess } from '../../support/server-process.ts';
import { MIB, testConfig } from '../../support/test-server.ts';
import { until, within } from '../../support/until.ts';

test('4 downloads from two servers that are killed in turn complete with every byte right', (t) =>
  serversKilledInTurn(t, { downloads: 4, kills: 3, killEveryMs: 300 }));

/** The most that any upload below the root has in its partial file. */
function partialBytes(root: string): number {
  const directory = join(root, '.sluice-uploads');
  if (!existsSync(directory)) return 0;
  return Math.max(0, ...readdirSync(directory).map((name) => statSync(join(directory, name)).size));
}

test('an upload whose server is killed begins again on the other one, and nothing of it is mixed', async (t) => {
  const roots = [scratchRoot(t), scratchRoot(t)];
  const servers = await Promise.all(
    roots.map((root) => ServerProcess.start(t, testConfig(root, { writable: true }))),
  );
  const addresses = servers.map(({ address }) => address);
  const client = new SluiceClient(addresses, { ownConnection: true, compression: 'never' });
  t.after(() => client.close());
  const source = join(scratchDirectory(t), 'source');
  writeContent(source, noise(7, 96 * MIB + 5));

  const uploading = client.upload(source, 'file', { connections: 4 });
  uploading.catch(() => {}); // Awaited below, after the kill.
  const holder = () => roots.findIndex((root) => partialBytes(root) > 16 * MIB);
  await until('a server has a part of it', () => holder() >= 0);
  const first = holder();
  const other = 1 - first;
  await (servers[first] as ServerProcess).end('SIGKILL');

  const { bytes, restarts } = await within('the upload completes', uploading, 60_000);
  assert.equal(bytes, 96 * MIB + 5);
  assert.ok(restarts >= 1);
  assert.ok(readFileSync(join(roots[other] as string, 'file')).equals(readFileSync(source)));
  assert.equal(existsSync(join(roots[first] as string, 'file')), false);

  // The lost one is back, and what is written next stays where the bytes are.
  const config = testConfig(roots[first] as string, { writable: true, listen: addresses[first] as string });
  await ServerProcess.start(t, config);
  await client.upload(Buffer.from('new'), 'file');
  assert.equal(readFileSync(join(roots[other] as string, 'file'), 'utf8'), 'new');
});
