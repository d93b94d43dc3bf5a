/** Lost streams: at every boundary between two messages, whatever a session asks for goes on where it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { readPack } from '../../../src/client/exchange/requests/pack-read.ts';
import { type FileToWrite, writePack } from '../../../src/client/exchange/requests/pack-write.ts';
import type { SluiceSession } from '../../../src/client/exchange/session.ts';
import { collect, failureOf, someFile, until } from '../fixtures.ts';
import type { ExchangeServer, Loss } from './exchange-server.ts';
import { scene } from './scene.ts';

const KIB = 1024;

/** Loses the stream before the `at`th answer of the server is sent, once. */
function loseAt(server: ExchangeServer, at: number, loss: Loss): () => boolean {
  let isLost = false;
  server.onSend = (_stream, answer) => {
    if (isLost || server.sent < at) return { answers: [answer] };
    isLost = true;
    return { answers: [], loss };
  };
  return () => isLost;
}

const LOSSES: readonly (readonly [string, Loss])[] = [
  ['a cut of the connection', 'cut'],
  ['a reset', 'reset'],
  ['an early OK', 'ok'],
  ['UNAVAILABLE', new TransferError('UNAVAILABLE', 'the server is draining')],
];

/** A bit of everything, at the same time. */
async function everything(session: SluiceSession, server: ExchangeServer): Promise<void> {
  const file = server.files.get('file')?.content ?? Buffer.alloc(0);
  const names: string[] = [];
  const list = async () => {
    for await (const { name } of session.list()) names.push(name);
  };
  const [all, part, info, written] = await Promise.all([
    collect(session.read('file')),
    session.read('file', { start: 10_000, limit: 60_000 }).buffer(),
    session.stat('file'),
    session.write('new', Buffer.from('content')),
    session.makeDirectory('directory'),
    list(),
  ]);
  assert.equal(Buffer.compare(all, file), 0);
  assert.equal(Buffer.compare(part, file.subarray(10_000, 70_000)), 0);
  assert.equal(info.version, 'v1');
  assert.equal(written.version, server.files.get('new')?.version);
  assert.deepEqual(server.files.get('new')?.content, Buffer.from('content'));
  assert.deepEqual(names, server.names);
  assert.ok(server.directories.includes('directory'));
}

for (const [what, loss] of LOSSES) {
  test(`goes on behind ${what}, wherever it comes`, async (t) => {
    for (let at = 0, isOver = false; !isOver; at += 1) {
      assert.ok(at < 200);
      const { server, session } = await scene(t, { file: someFile('v1', 150 * KIB) });
      server.names = ['a', 'b', 'c', 'd'];
      const isLost = loseAt(server, at, loss);

      await everything(session, server);
      await session.close();

      isOver = !isLost();
      assert.ok(isOver || server.streams.length >= 2);
    }
  });
}

test('a read resumes at its next byte, in the same version', async (t) => {
  const { server, session } = await scene(t, { file: someFile('v1', 150 * KIB) });
  loseAt(server, 5, 'cut');

  await session.read('file', { start: 7 }).buffer();

  const [first, second] = server.asked('read').map(({ read }) => read);
  assert.deepEqual([first?.start, first?.ifMatch], [7, '']);
  assert.equal(second?.ifMatch, 'v1');
  assert.ok((second?.start ?? 0) >= 7 + 16 * KIB);
});

test('a file that changed while the stream was away is told', async (t) => {
  const { server, session } = await scene(t, { file: someFile('v1', 150 * KIB) });
  const isLost = loseAt(server, 5, 'cut');
  const reading = failureOf(session.read('file').buffer());
  await until(isLost);
  server.files.set('file', someFile('v2', 150 * KIB));

  const failure = await reading;

  assert.equal(failure.code, 'VERSION_MISMATCH');
  assert.equal(failure.version, 'v2');
});

test('a listing resumes behind its last entry', async (t) => {
  const { server, session } = await scene(t);
  server.names = Array.from({ length: 10 }, (_, i) => `n${i}`);
  loseAt(server, 5, 'reset');

  const names: string[] = [];
  for await (const { name } of session.list()) names.push(name);

  assert.deepEqual(names, server.names);
  assert.deepEqual(
    server.asked('list').map(({ list }) => Buffer.from(list?.after ?? []).toString()),
    ['', '4'],
  );
});

test('of a pack only the files that are missing are asked for again', async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`p${i}`, someFile(`v${i}`, i * 500)]),
  );
  for (let at = 1; at < 30; at += 4) {
    const { server, session } = await scene(t, files);
    const isLost = loseAt(server, at, 'cut');
    const wanted = Object.entries(files).map(([fileName, { content, version }]) => ({
      fileName,
      size: content.byteLength,
      version,
    }));

    const contents: (Buffer | undefined)[] = [];
    for await (const content of readPack(session.host, wanted))
      contents.push(content && Buffer.from(content.bytes));

    assert.deepEqual(
      contents,
      Object.values(files).map(({ content }) => content),
    );
    const [first, second] = server.asked('readPack').map(({ readPack }) => readPack?.files.length);
    assert.equal(first, 40);
    if (isLost() && at > 10) assert.ok((second ?? 0) < 40);
  }
});

test('a file of a pack that changes while it is read is not as asked, and the others are', async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 5 }, (_, i) => [`p${i}`, someFile(`v${i}`, 20 * KIB)]),
  );
  const { server, session } = await scene(t, files);
  let chunks = 0;
  server.onSend = (stream, answer) => {
    chunks += answer.data?.chunk?.byteLength ? 1 : 0;
    if (chunks !== 4 || server.files.get('p2')?.version !== 'v2') return { answers: [answer] };
    server.files.set('p2', someFile('v9', 20 * KIB));
    stream.endRequest(answer.id ?? 0, new TransferError('FILE_CHANGED', 'p2 changed'));
    return { answers: [] };
  };

  const contents: (Buffer | undefined)[] = [];
  const wanted = Object.entries(files).map(([fileName, { content, version }]) => ({
    fileName,
    size: content.byteLength,
    version,
  }));
  for await (const content of readPack(session.host, wanted))
    contents.push(content && Buffer.from(content.bytes));

  assert.deepEqual(
    contents,
    Object.values(files).map(({ content }, i) => (i === 2 ? undefined : content)),
  );
  assert.deepEqual(
    server.asked('readPack').map(({ readPack: asked }) => asked?.files.length),
    [5, 3],
  );
});

test('a write whose answer was lost counts as done when the file has its bytes', async (t) => {
  const { server, session } = await scene(t, { old: someFile('v1', 100) });
  let isLost = false;
  server.onWrite = (stream) => {
    if (!isLost) stream.lose('cut');
    isLost = true;
  };

  const fresh = await session.write('new', Buffer.from('one'), { overwrite: false });
  isLost = false;
  const replaced = await session.write('old', Buffer.from('two'), { ifMatch: 'v1' });

  assert.equal(fresh.version, server.files.get('new')?.version);
  assert.equal(replaced.version, server.files.get('old')?.version);
  assert.equal(server.asked('write').length, 4);
});

test('a write whose answer was lost fails when somebody else wrote other bytes', async (t) => {
  const { server, session } = await scene(t);
  server.onWrite = (stream) => {
    server.onWrite = () => {};
    server.files.set('new', { content: Buffer.from('two'), version: 'x' });
    stream.lose('cut');
  };

  const failure = await failureOf(session.write('new', Buffer.from('one'), { overwrite: false }));

  assert.equal(failure.code, 'ALREADY_EXISTS');
});

test('of a pack whose answer was lost each file counts that has its bytes', async (t) => {
  const { server, session } = await scene(t, { there: someFile('v1', 10) });
  server.onWrite = (stream) => {
    server.onWrite = () => {};
    stream.lose('reset');
  };
  const files: FileToWrite[] = ['a', 'b', 'there'].map((name) => ({
    name,
    bytes: Buffer.from(name),
    overwrite: false,
  }));

  const results = await writePack(session.host, files);

  assert.deepEqual(
    results.map((result) => ('version' in result ? result.version : result.error.code)),
    [server.files.get('a')?.version, server.files.get('b')?.version, 'ALREADY_EXISTS'],
  );
});

test('streams that are lost without progress are counted', async (t) => {
  const { server, session } = await scene(t, { file: someFile() }, { retry: { attempts: 4 } });
  server.onSend = (_stream, answer) =>
    answer.limits
      ? { answers: [answer] }
      : { answers: [], loss: new TransferError('UNAVAILABLE', 'the server is draining') };

  const failures = await Promise.all([
    failureOf(session.stat('file')),
    failureOf(session.read('file').buffer()),
  ]);

  assert.deepEqual(
    failures.map(({ code }) => code),
    ['UNAVAILABLE', 'UNAVAILABLE'],
  );
  assert.equal(server.streams.length, 4);
});

test('progress refills what may be lost', async (t) => {
  const file = someFile('v1', 640 * KIB);
  const { server, session } = await scene(t, { file }, { retry: { attempts: 2 } });
  const away = new TransferError('UNAVAILABLE', 'the server is draining');
  let chunks = 0;
  server.onSend = (_stream, answer) => {
    if (!answer.data?.chunk?.byteLength) return { answers: [answer] };
    chunks += 1;
    return chunks % 3 === 0 ? { answers: [], loss: away } : { answers: [answer] };
  };

  assert.equal(Buffer.compare(await session.read('file').buffer(), file.content), 0);
  assert.ok(server.streams.length > 10);
});

test('a read that waits for its consumer is asked for again only when that has taken enough, and for no more', async (t) => {
  const file = someFile('v1', 8 * 1024 * KIB);
  const { server, session } = await scene(t, { file }, { retry: { attempts: 2 } });
  const read = session.read('file')[Symbol.asyncIterator]();
  const chunks = [(await read.next()).value as Uint8Array];
  const bytesTaken = () => chunks.reduce((bytes, chunk) => bytes + chunk.byteLength, 0);

  for (let i = 0; i < 3; i += 1) {
    await until(() => server.open === 1 && server.credit === 0);
    await session.stat('file');
    server.streams.at(-1)?.lose('reset');
    await until(() => server.open === 0);
    // The answer to another request on the next stream: nothing is asked for besides.
    await session.stat('file');
    assert.equal(server.asked('read').length, i + 1);
    while (server.asked('read').length === i + 1) {
      const { value } = await read.next();
      assert.ok(value instanceof Uint8Array);
      chunks.push(value);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const { credit, read: again } = server.asked('read').at(-1) ?? {};
    assert.ok((again?.start ?? 0) + (credit ?? 0) <= bytesTaken() + 1024 * KIB);
  }
  for await (const chunk of { [Symbol.asyncIterator]: () => read }) chunks.push(chunk);

  assert.equal(Buffer.compare(Buffer.concat(chunks), file.content), 0);
});
