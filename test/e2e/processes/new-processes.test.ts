import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { SluiceClient } from '../../../src/client/client.ts';
import { noise, writeContent } from '../../support/content.ts';
import { answerOf, RawSession } from '../../support/peers/raw-http2.ts';
import { scratchRoot } from '../../support/scratch.ts';
import { MIB } from '../../support/test-server.ts';
import { until, within } from '../../support/until.ts';
import { SeveralProcesses } from './several-processes.ts';

/** More than a client and a server hold for a reader that has stopped. */
const CONTENT = noise(6, 64 * MIB);

const REPLACED_MS = 60_000;

test('SIGUSR2 replaces all processes where nothing has changed, and each ends its downloads first', async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), CONTENT);
  const digest = createHash('sha256').update(CONTENT.bytes(0, CONTENT.size)).digest('hex');
  const server = await SeveralProcesses.start(t, { root });
  const port = Number(server.address.slice(server.address.lastIndexOf(':') + 1));
  const before = server.pids();
  const client = () => {
    const made = new SluiceClient(server.address, { ownConnection: true });
    t.after(() => made.close());
    return made;
  };

  /** Stops behind its first bytes until its process leaves. */
  const download = async (begun: () => void, left: Promise<unknown>): Promise<number> => {
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
        begun();
        left.then(() => done(), done);
      },
    });
    const { attempts } = await client().download('file', reader);
    assert.equal(hash.digest('hex'), digest);
    return attempts;
  };
  // Connections go to the processes in turn, so each gets one of these, and then a download.
  const leaving: Promise<unknown>[] = [];
  for (const _ of before) {
    const witness = new RawSession(t, port);
    leaving.push(once(witness.session, 'goaway'));
    await answerOf(witness.call('GetFileSize', { fileName: 'file' }));
  }
  const downloads: Promise<number>[] = [];
  for (const left of leaving) {
    let isUnderWay = false;
    const begun = () => {
      isUnderWay = true;
    };
    const ended = download(begun, left);
    ended.catch(() => {}); // Awaited below.
    downloads.push(ended);
    await until('it is under way', () => isUnderWay);
  }

  server.primary.process.kill('SIGUSR2');
  const attempts = await within('the downloads end', Promise.all(downloads), REPLACED_MS);
  assert.deepEqual(attempts, [1, 1], 'neither was interrupted');
  await server.primary.says(/"msg":"the processes are replaced"/);
  await server.replaced(before);
  assert.equal(server.primary.hasEnded, false);
  for (const _ of before) assert.equal((await client().stat('file')).size, CONTENT.size);
});
