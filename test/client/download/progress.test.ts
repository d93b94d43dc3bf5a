/** What a transfer tells about itself while it runs. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import type { Progress } from '../../../src/client/download/options.ts';
import { blockFor } from '../../support/block.ts';
import { clientOf, collect, failureOf, scratchDirectory, someFile, startServer, until } from '../fixtures.ts';
import { first } from './honest-messages.ts';

test('tells phases, attempts and bytes, up to the whole range', async (t) => {
  const directory = await scratchDirectory(t);
  const file = someFile();
  const server = await startServer(t, { a: file });
  server.scripts.push({ messages: first(5), ending: new TransferError('UNAVAILABLE', 'draining') });
  const told: Progress[] = [];
  const onProgress = (progress: Progress) => void told.push(progress);
  await clientOf(t, server).download('a', join(directory, 'a'), { onProgress });
  assert.deepEqual(
    told.map(({ phase, attempt }) => `${phase} ${attempt}`).filter((each, at, all) => each !== all[at - 1]),
    ['receiving 1', 'waiting 1', 'receiving 2', 'finishing 2'],
  );
  const size = file.content.byteLength;
  const last = told.at(-1);
  assert.deepEqual(last, {
    name: 'a',
    phase: 'finishing',
    sizeBytes: size,
    receivedBytes: size,
    resumedBytes: 0,
    attempt: 2,
    restarts: 0,
  });
});

test('tells nothing of an attempt that has not begun, however long that takes', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  const attempts: number[] = [];
  const onProgress = ({ attempt }: Progress) => void attempts.push(attempt);
  const download = clientOf(t, server).download('a', join(directory, 'a'), { onProgress });
  // Longer than from one look of the reporter to the next.
  for (let turn = 0; turn < 10; turn++) {
    blockFor(120);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await download;
  assert.deepEqual([...new Set(attempts)], [1]);
});

test('tells how far it is while bytes arrive', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = { messages: first(5), ending: 'hang' };
  const abort = new AbortController();
  const told: number[] = [];
  const onProgress = ({ receivedBytes }: Progress) => void told.push(receivedBytes);
  const stream = failureOf(collect(clientOf(t, server).stream('a', { signal: abort.signal, onProgress })));
  await until(() => (told.at(-1) ?? 0) > 0);
  abort.abort();
  assert.equal((await stream).code, 'CANCELLED');
});

test('ends with the error of a listener that throws', async (t) => {
  const server = await startServer(t, { a: someFile() });
  const cause = new Error('mine');
  const onProgress = () => {
    throw cause;
  };
  const failure = await failureOf(collect(clientOf(t, server).stream('a', { onProgress })));
  assert.equal(failure.code, 'INTERNAL');
  assert.equal(failure.cause, cause);
});
