import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceClient } from '../../../src/client/client.ts';
import { assertBytes, noise, writeContent } from '../../support/content.ts';
import { AdminClient } from '../../support/peers/admin-client.ts';
import { RawClient } from '../../support/peers/raw-client.ts';
import { scratchDirectory, scratchRoot } from '../../support/scratch.ts';
import { MIB } from '../../support/test-server.ts';
import { within } from '../../support/until.ts';
import { SeveralProcesses } from './several-processes.ts';

const CONTENT = noise(1, 3 * MIB + 17);

test('connections to one port are handed out in turn, what is counted is added up, and SIGTERM ends all processes', async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), CONTENT);
  const server = await SeveralProcesses.start(t, { root });
  const pids = server.pids();
  assert.equal(pids.length, 2);
  // The listener for operators has answered, and keeps no connection meanwhile.
  const before = pids.map((pid) => server.sockets(pid));
  const clients = Array.from({ length: 8 }, () => new SluiceClient(server.address, { ownConnection: true }));
  for (const client of clients) t.after(() => client.close());
  for (const client of clients) {
    const target = join(scratchDirectory(t), 'file');
    await client.download('file', target, { connections: 1 });
    assertBytes(readFileSync(target), CONTENT, 0, 'file');
  }
  assert.deepEqual(
    pids.map((pid, at) => server.sockets(pid) - (before[at] ?? 0)),
    [4, 4],
  );
  assert.equal(await server.metric('sluice_connections'), 8);
  assert.equal(await server.metric('sluice_calls_total', 'method="StreamFile"'), 8);
  assert.equal(await server.metric('sluice_sent_bytes_total', 'form="raw"'), 8 * CONTENT.size);
  assert.ok((await server.metric('process_resident_memory_bytes', 'process="2"')) > 0);
  assert.equal(await server.metric('sluice_slabs'), 32);

  server.primary.process.kill('SIGTERM');
  const { code, stderr } = await server.primary.outcome();
  assert.equal(code, 0);
  assert.match(stderr, /"msg":"stopped"/);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('whoever is asked shows the transfers of all processes, and ends them', async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), noise(2, 64 * MIB));
  const server = await SeveralProcesses.start(t, { root });
  const clients = Array.from({ length: 4 }, () => new RawClient(server.address));
  for (const client of clients) t.after(() => client.close());
  const streams = clients.map((client) => client.stream({ fileName: 'file' }));
  const ends = streams.map((stream) => new Promise((resolve) => stream.once('error', resolve)));
  const admin = new AdminClient(t, server.address);
  const transfers = await within(
    'all four are seen',
    admin.seen({}, (snapshot) => {
      const found = snapshot.transfers.filter(({ method }) => method === 'StreamFile');
      return found.length === 4 ? found : undefined;
    }),
  );
  const snapshot = (await (await fetch(`http://${server.adminAddress}/api/snapshot`)).json()) as {
    totals: { transfers: number };
    slabs: { count: number };
    places: { kind: string; limit: number }[];
  };
  assert.equal(snapshot.totals.transfers, 4);
  assert.equal(snapshot.slabs.count, 32);
  assert.equal(snapshot.places.find(({ kind }) => kind === 'streams')?.limit, 1024);
  for (const { id } of transfers) {
    assert.deepEqual(await admin.unary('CancelTransfer', { id }), { status: 'OK', answer: { cancelled: 1 } });
  }
  await within('all of them end', Promise.all(ends));
  const { answer } = await admin.unary<{ settings: { key: string; value: string }[] }>('GetConfig', {});
  assert.equal(answer?.settings.find(({ key }) => key === 'slab.count')?.value, '32');
});
