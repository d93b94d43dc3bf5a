import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { noise } from '../../support/content.ts';
import { RawClient } from '../../support/peers/raw-client.ts';
import { scratchRoot } from '../../support/scratch.ts';
import { KIB } from '../../support/test-server.ts';
import { until } from '../../support/until.ts';
import { UploadJourney } from '../../support/upload-journey.ts';
import { processesKilledInTurn } from './killed.ts';
import { SeveralProcesses } from './several-processes.ts';

test('processes are killed under uploads and downloads, and each of these ends with the right bytes', async (t) => {
  await processesKilledInTurn(t, { processes: 2, transfers: 2, kills: 2, killEveryMs: 300 });
});

test('with the primary all processes are gone, and the next server goes on with their uploads', async (t) => {
  const root = scratchRoot(t);
  const args = ['--writable', '--uploads-min-free', '0'];
  const first = await SeveralProcesses.start(t, { root, args });
  const pids = first.pids();
  const client = new RawClient(first.address);
  t.after(() => client.close());
  const journey = new UploadJourney({ name: 'file', content: noise(1, 200 * KIB) });
  assert.equal((await journey.sendAll(client)).status, 'OK');
  await first.primary.end('SIGKILL');
  const next = await SeveralProcesses.start(t, { root, args });
  await until('the processes of the first server are gone', () => pids.every((pid) => !isRunning(pid)));
  const later = new RawClient(next.address);
  t.after(() => later.close());
  assert.equal((await journey.run(later)).status, 'OK');
  assert.deepEqual(readFileSync(join(root, 'file')), journey.content.bytes(0, journey.content.size));
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
