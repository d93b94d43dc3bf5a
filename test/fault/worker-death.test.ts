/** A worker thread that dies costs a retry of its job, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineOf } from '../../src/server/server.ts';
import { assertComplete } from '../support/check-stream.ts';
import { type Content, joined, lines, noise } from '../support/content.ts';
import { type ChunkMessage, receiveAll } from '../support/peers/raw-client.ts';
import { KIB, MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

/** More than can be ready or on its way from before the last death. */
const PROGRESS_MESSAGES = 12;

/** Enough for deaths that are few or come at once, and for twenty with messages between them. */
const SHORT: Content = joined(lines(5 * MIB), noise(1, MIB), lines(6 * MIB));
const LONG: Content = joined(lines(10 * MIB), noise(1, 2 * MIB), lines(20 * MIB));
const REQUEST = {
  fileName: 'mixed',
  canDecompress: true,
  wantChecksums: true,
  compression: 'COMPRESSION_ALWAYS',
};

/** One slow thread, so that it is nearly always in the middle of a job. */
const SETTINGS = { pool: { threads: 1 }, compression: { level: 9 } };

for (const zeroCopy of [true, false]) {
  test(`streams survive a few deaths of the thread with right bytes (zero copy: ${zeroCopy})`, async (t) => {
    const server = await startServer(t, SETTINGS, { zeroCopy });
    await streamUnderDeaths(server, SHORT, 3, 4, untilProgress);
  });
}

test('a long stream survives more deaths than a job may cost, as long as it moves between them', async (t) => {
  const server = await startServer(t, SETTINGS);
  await streamUnderDeaths(server, LONG, 1, 20, untilProgress);
});

test('threads that die while they start are replaced too', async (t) => {
  const server = await startServer(t, { ...SETTINGS, pool: { threads: 2 } });
  await streamUnderDeaths(server, SHORT, 3, 25, () => new Promise((resolve) => setImmediate(resolve)));
});

type Between = (messageCount: () => number) => Promise<void>;

async function untilProgress(messageCount: () => number): Promise<void> {
  const had = messageCount();
  await until('messages arrive', () => messageCount() >= had + PROGRESS_MESSAGES);
}

/** Kills the thread again and again while several streams run; all of them must get every byte. */
async function streamUnderDeaths(
  server: TestServer,
  content: Content,
  streamCount: number,
  deaths: number,
  between: Between,
): Promise<void> {
  server.write('mixed', content);
  let messages = 0;
  let running = streamCount;
  const streams = Array.from({ length: streamCount }, async () => {
    const call = server.client().stream(REQUEST);
    call.on('data', (_message: ChunkMessage) => {
      messages += 1;
    });
    return await receiveAll(call).finally(() => {
      running -= 1;
    });
  });
  await until('data flows', () => messages > 10);
  for (let death = 0; death < deaths; death++) {
    assert.ok(running > 0, `all streams were over after ${death} deaths`);
    await engineOf(server.server)?.workers.killThread();
    await between(() => (running > 0 ? messages : Number.POSITIVE_INFINITY));
  }
  for (const received of await within('the end of all streams', Promise.all(streams))) {
    assertComplete(received, { request: REQUEST, content, chunkBytes: 64 * KIB });
  }
  await server.untilIdle();
}
