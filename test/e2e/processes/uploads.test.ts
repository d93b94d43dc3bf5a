import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceClient } from '../../../src/client/client.ts';
import { assertBytes, noise, writeContent } from '../../support/content.ts';
import { RawClient } from '../../support/peers/raw-client.ts';
import { chunkMessages, expectedOf, sendMessages, uploadStatus } from '../../support/peers/raw-upload.ts';
import { openFilesBelow, scratchRoot } from '../../support/scratch.ts';
import { Random } from '../../support/seed.ts';
import { KIB, MIB } from '../../support/test-server.ts';
import { within } from '../../support/until.ts';
import { SeveralProcesses } from './several-processes.ts';

const CONTENT = noise(1, 3 * MIB + 17);
const WRITABLE = ['--writable', '--uploads-min-free', '0'];
const RACES = Number(process.env.SLUICE_TEST_RACES ?? 4);

test('an upload goes on in another process: taken over from a living one, and after kill -9; the others go on', async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'large'), noise(3, 16 * MIB));
  const server = await SeveralProcesses.start(t, { root, args: WRITABLE });
  const random = new Random(1);
  // In turn: each goes to the next process.
  const clients = Array.from({ length: 3 }, () => new RawClient(server.address));
  for (const client of clients) t.after(() => client.close());
  const [one, other, third] = clients as [RawClient, RawClient, RawClient];
  const started = await one.unary('StartUpload', { fileName: 'new', expected: expectedOf(CONTENT) });
  const uploadId = String(started.answer?.uploadId);
  assert.equal(started.answer?.maxStreams, 1);
  const half = MIB;
  assert.equal(
    (await sendMessages(one, uploadId, chunkMessages(CONTENT, 0, half, random, 64 * KIB))).status,
    'OK',
  );
  // A stream that goes on, while another process is asked for the upload.
  const { call, ended } = one.clientStream('UploadFile');
  call.write({ uploadId, offset: half, chunk: CONTENT.bytes(half, half + 10 * KIB) });
  await within('the bytes have come', server.received(half + 10 * KIB));
  const status = await uploadStatus(other, uploadId, true);
  assert.ok(status !== undefined && status.committedSize >= half);
  const lost = await within('the stream of the first process ends', ended);
  assert.equal(lost.status, 'ABORTED');
  const from = status.committedSize;
  assert.equal(
    (await sendMessages(other, uploadId, chunkMessages(CONTENT, from, 2 * MIB, random, 64 * KIB))).status,
    'OK',
  );

  // The third connection is that of the first process, which stays.
  const download = third.fetch({ fileName: 'large' });
  const pids = server.pids();
  const owner = pids.find((pid) => openUploadsOf(pid, root)) ?? pids[1];
  assert.ok(owner !== undefined);
  process.kill(owner, 'SIGKILL');
  await server.replaced([owner]);
  const { status: how, bytes } = await download;
  // Only one of the two was killed.
  if (how === 'OK') assertBytes(bytes, noise(3, 16 * MIB), 0, 'large');

  const late = new RawClient(server.address);
  t.after(() => late.close());
  const after = await uploadStatus(late, uploadId);
  assert.ok(after !== undefined && after.committedSize >= 2 * MIB, JSON.stringify(after));
  await sendMessages(
    late,
    uploadId,
    chunkMessages(CONTENT, after.committedSize, CONTENT.size, random, 64 * KIB),
  );
  const finished = await late.unary('FinishUpload', { uploadId });
  assert.equal(finished.status, 'OK', JSON.stringify(finished));
  assertBytes(readFileSync(join(root, 'new')), CONTENT, 0, 'new');
});

test('one of many uploads of the same name wins, whichever processes they are in', async (t) => {
  const root = scratchRoot(t);
  const server = await SeveralProcesses.start(t, { root, args: WRITABLE });
  const clients = Array.from(
    { length: 4 },
    () => new SluiceClient(server.address, { ownConnection: true, retry: { attempts: 1 } }),
  );
  for (const client of clients) t.after(() => client.close());
  for (let round = 0; round < RACES; round += 1) {
    const results = await Promise.allSettled(
      clients.map((client, at) =>
        client.upload(CONTENT_OF[at] as Buffer, `raced-${round}`, { overwrite: false }),
      ),
    );
    const winners = results.flatMap(({ status }, at) => (status === 'fulfilled' ? [at] : []));
    assert.equal(winners.length, 1, JSON.stringify(results));
    assert.deepEqual(readFileSync(join(root, `raced-${round}`)), CONTENT_OF[winners[0] as number]);
  }
});

const CONTENT_OF = Array.from({ length: 4 }, (_, at) => noise(10 + at, 300 * KIB).bytes(0, 300 * KIB));

/** Whether a process has a partial file of an upload open. */
function openUploadsOf(pid: number, root: string): boolean {
  return openFilesBelow(join(root, '.sluice-uploads'), pid).length > 0;
}
