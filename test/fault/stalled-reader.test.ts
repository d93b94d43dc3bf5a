/** Readers that stop: what they hold, how they hear of it, and that nothing is left behind. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { ClientHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { assertBytes, noise } from '../support/content.ts';
import { bytesOf, type ChunkMessage, endOf, firstMessage } from '../support/peers/raw-client.ts';
import { answerOf, RawSession } from '../support/peers/raw-http2.ts';
import { MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

/** Long enough to stop reading and go on before it, short enough to wait for. */
const PATIENT = { stallTimeout: 20_000, stallLinger: 20_000 };
const IMPATIENT = { stallTimeout: 1000, stallLinger: 20_000 };
const RESETTING = { stallTimeout: 1000, stallLinger: 100 };

for (const zeroCopy of [true, false]) {
  const way = zeroCopy ? 'zero copy' : 'copied messages';

  test(`a reader that pauses and goes on in time gets every byte (${way})`, async (t) => {
    const server = await startServer(t, { stream: PATIENT }, { zeroCopy });
    const content = server.write('file', noise(1, 24 * MIB));
    const call = server.client().stream({ fileName: 'file' });
    const messages: ChunkMessage[] = [];
    // The pause is over when the server has taken its prefetched slabs back: then the rest is read again.
    call.on('data', (message: ChunkMessage) => messages.push(message));
    const ended = endOf(call);
    await until('some data is there', () => messages.length > 20);
    for (let pause = 0; pause < 3; pause++) {
      const had = messages.length;
      call.pause();
      await until('the server holds at most the slab being sent', () => {
        const { free, count, sending } = server.server.stats().slabs;
        return free + sending === count && sending <= 1;
      });
      call.resume();
      await until('data flows again', () => messages.length > had);
    }
    assert.equal((await ended).status, 'OK');
    assert.equal(bytesOf(messages).length, content.size);
    assertBytes(bytesOf(messages), content, 0);
    await server.untilIdle();
  });

  test(`a reader that pauses too long sees ABORTED with STALLED, behind right bytes (${way})`, async (t) => {
    const server = await startServer(t, { stream: IMPATIENT }, { zeroCopy });
    const content = server.write('file', noise(2, 24 * MIB));
    const call = server.client().stream({ fileName: 'file' });
    const messages: ChunkMessage[] = [];
    call.on('data', (message: ChunkMessage) => messages.push(message));
    const ended = endOf(call);
    await until('some data is there', () => messages.length > 20);
    call.pause();
    await until('the server has given up', () => server.server.stats().transfers === 0);
    call.resume();
    const end = await within('the end of the call', ended);
    assert.deepEqual([end.status, end.code], ['ABORTED', 'STALLED'], end.details);
    const bytes = bytesOf(messages);
    assert(bytes.length < content.size);
    assertBytes(bytes, content, 0);
    await server.untilIdle();
  });

  test(`a reader that never reads, or only the first message, is reset and leaves nothing (${way})`, async (t) => {
    const server = await startServer(t, { stream: RESETTING }, { zeroCopy });
    server.write('file', noise(3, 8 * MIB));
    const calls = Array.from({ length: 8 }, () =>
      server.client().stream({ fileName: 'file', wantDetails: true }),
    );
    // The headers come to those as well that never read.
    const underWay = calls.map((call) => new Promise((resolve) => call.once('metadata', resolve)));
    await Promise.all(calls.slice(4).map((call) => firstMessage(call)));
    await within('all transfers are under way', Promise.all(underWay));
    await server.untilIdle();
  });
}

test('a reader whose window never opens is reset after the stall timeout, whatever message it waits for', async (t) => {
  const server = await startServer(t, { stream: RESETTING });
  server.write('file', noise(4, MIB));
  const wishes = [{}, { wantDetails: true }, { wantChecksums: true }, { start: MIB, wantChecksums: true }];
  await Promise.all(
    wishes.map(async (wish) => {
      const raw = new RawSession(t, server.port, { initialWindowSize: 0 });
      const answer = answerOf(raw.call('StreamFile', { fileName: 'file', ...wish }));
      const { resetCode } = await within(`the reset of ${JSON.stringify(wish)}`, answer);
      assert.notEqual(resetCode, 0);
      raw.destroy();
    }),
  );
  await server.untilIdle();
});

test('a reader whose window closes before the last byte of the summary is given up after the stall timeout', async (t) => {
  const server = await startServer(t, { stream: RESETTING });
  server.write('file', noise(4, 1000));
  const request = { fileName: 'file', wantChecksums: true };
  const whole = await answerOf(new RawSession(t, server.port).call('StreamFile', request));
  assert.equal(whole.resetCode, 0);
  const raw = new RawSession(t, server.port, { initialWindowSize: whole.body.length - 1 });
  await assertGivenUp(server, raw.call('StreamFile', request));
});

test('a listing nobody reads is given up after the stall timeout and holds no directory open', async (t) => {
  const server = await startServer(t, { stream: RESETTING });
  mkdirSync(server.at('many'));
  for (let i = 0; i < 600; i++) writeFileSync(server.at(`many/${'n'.repeat(60)}-${i}`), '');
  const raw = new RawSession(t, server.port, { initialWindowSize: 100 });
  await assertGivenUp(server, raw.call('ListFiles', { prefix: 'many' }));
});

/** The server gives up on a stream that is never read; only then is it read, to see its end. */
async function assertGivenUp(server: TestServer, stream: ClientHttp2Stream): Promise<void> {
  stream.pause();
  const headers = new Promise((resolve) => stream.once('response', resolve));
  const closed = new Promise((resolve) => stream.once('close', resolve));
  let code: unknown;
  stream.once('trailers', (trailers) => {
    code = trailers['sluice-code'];
  });
  await within('the headers', headers);
  await server.untilIdle();
  stream.resume();
  await within('the end', closed);
  assert(stream.rstCode !== 0 || code === 'STALLED', `code ${String(code)}`);
}
