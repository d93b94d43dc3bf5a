import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertBytes, noise, writeContent } from '../../support/content.ts';
import { type ChunkMessage, methodOf, RawClient } from '../../support/peers/raw-client.ts';
import { answerOf, RawSession } from '../../support/peers/raw-http2.ts';
import { scratchRoot } from '../../support/scratch.ts';
import { MIB } from '../../support/test-server.ts';
import { within } from '../../support/until.ts';
import { SeveralProcesses } from './several-processes.ts';

/** Much more than the window of a reader that has stopped. */
const CONTENT = noise(6, 8 * MIB + 17);

/** Two of them start, one after the other. */
const REPLACED_MS = 60_000;

test('SIGUSR2 replaces all processes where nothing has changed, and each ends its downloads first', async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), CONTENT);
  const server = await SeveralProcesses.start(t, { root, args: ['--stream-stall-timeout', '10m'] });
  const port = Number(server.address.slice(server.address.lastIndexOf(':') + 1));
  const before = server.pids();

  // Connections go to the processes in turn. Nobody reads before the process of the connection leaves.
  const answers: Promise<{ headers: Record<string, unknown>; body: Buffer }>[] = [];
  for (const _ of before) {
    const raw = new RawSession(t, port);
    const stream = raw.call('StreamFile', { fileName: 'file' });
    await within('a download is under way', once(stream, 'response'));
    const answer = once(raw.session, 'goaway').then(() => answerOf(stream));
    answer.catch(() => {}); // Awaited below.
    answers.push(answer);
  }

  server.primary.process.kill('SIGUSR2');
  for (const { body, headers } of await within('the downloads end', Promise.all(answers), REPLACED_MS)) {
    assert.equal(headers['grpc-status'], '0');
    const bytes = chunksIn(body);
    assert.equal(bytes.length, CONTENT.size);
    assertBytes(bytes, CONTENT, 0);
  }
  await server.primary.says(/"msg":"the processes are replaced"/);
  await server.replaced(before);
  assert.equal(server.primary.hasEnded, false);
  for (const _ of before) {
    const client = new RawClient(server.address);
    t.after(() => client.close());
    assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
  }
});

/** Out of a body of whole messages, in order. */
function chunksIn(body: Buffer): Buffer {
  const { responseDeserialize } = methodOf('StreamFile');
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    chunks.push((responseDeserialize(body.subarray(at + 5, end)) as ChunkMessage).chunk);
    at = end;
  }
  return Buffer.concat(chunks);
}
