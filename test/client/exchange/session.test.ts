/** What a session does with an honest server: reads, listings, writes, credit, cancelling, closing. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { TransferError } from '../../../src/base/errors.ts';
import { isWithoutExchange } from '../../../src/client/exchange/exchange.ts';
import { packLimits } from '../../../src/client/exchange/requests/limits.ts';
import { readPack } from '../../../src/client/exchange/requests/pack-read.ts';
import { writePack } from '../../../src/client/exchange/requests/pack-write.ts';
import { clientOf, collect, failureOf, someFile, startServer, until } from '../fixtures.ts';
import { ExchangeServer } from './exchange-server.ts';
import { scene } from './scene.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

test('reads a file and a range of it, checked', async (t) => {
  const file = someFile();
  const { session } = await scene(t, { file });

  assert.deepEqual(await collect(session.read('file')), file.content);
  assert.deepEqual(
    await collect(session.read('file', { start: 1000, limit: 50_000 })),
    file.content.subarray(1000, 51_000),
  );
  assert.deepEqual(Buffer.from(await session.read('file').buffer()), file.content);
  const read = session.read('file', { start: file.content.byteLength });
  assert.equal((await read.file).version, 'v1');
  assert.equal((await read.buffer()).byteLength, 0);
});

test('decompresses chunks, more of them than are inflated at once, in order', async (t) => {
  const file = { content: Buffer.from('sluice '.repeat(40_000)), version: 'v1' };
  const { server, session } = await scene(t, { file }, { chunkBytes: 4 * KIB });
  server.compresses = true;

  assert.deepEqual(await collect(session.read('file')), file.content);
  await assert.rejects(collect(session.read('file', { compression: 'never' })), { code: 'PROTOCOL_ERROR' });
  assert.equal(server.asked('read').at(-1)?.read?.compression, 'COMPRESSION_NEVER');
});

test('many requests share one stream', async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`f${i}`, someFile(`v${i}`, 100 * i)]),
  );
  const { server, session } = await scene(t, files);

  const contents = await Promise.all(Object.keys(files).map((name) => session.read(name).buffer()));
  const infos = await Promise.all(Object.keys(files).map((name) => session.stat(name)));

  assert.deepEqual(
    contents.map((bytes) => Buffer.from(bytes)),
    Object.values(files).map(({ content }) => content),
  );
  assert.deepEqual(
    infos.map(({ version }) => version),
    Object.values(files).map(({ version }) => version),
  );
  assert.equal(server.streams.length, 1);
});

test('requests beyond the limits of the server wait in the client', async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [`f${i}`, someFile('v', 10_000 + i)]),
  );
  const { server, session } = await scene(t, files);
  server.limits = { ...server.limits, maxRequests: 3, maxCredit: 256 * KIB };
  await session.stat('f0');

  const contents = await Promise.all(Object.keys(files).map((name) => session.read(name).buffer()));

  assert.deepEqual(
    contents.map(({ byteLength }) => byteLength),
    Object.values(files).map(({ content }) => content.byteLength),
  );
  assert.deepEqual(server.violations, []);
});

test('a consumer that stops holds a window, and holds nobody else up', async (t) => {
  const large = someFile('v1', 8 * MIB);
  const small = someFile('v2', 300 * KIB);
  const { server, session } = await scene(t, { large, small });
  server.chunkBytes = 64 * KIB;
  let largeBytes = 0;
  server.onSend = (_stream, answer) => {
    largeBytes += answer.data?.offset !== undefined && answer.id === 1 ? answer.data.rawSize : 0;
    return { answers: [answer] };
  };

  const stopped = session.read('large')[Symbol.asyncIterator]();
  const { value: first } = await stopped.next();
  for (let i = 0; i < 20; i += 1)
    assert.deepEqual(Buffer.from(await session.read('small').buffer()), small.content);

  assert.ok(first instanceof Uint8Array);
  assert.ok(largeBytes > MIB / 2 && largeBytes <= MIB + first.byteLength, `${largeBytes} bytes were sent`);
  const rest = await collect({ [Symbol.asyncIterator]: () => stopped });
  assert.deepEqual(Buffer.concat([first, rest]), large.content);
});

test('the window of a read grows while its consumer takes everything at once', async (t) => {
  const large = someFile('v1', 24 * MIB);
  const { server, session } = await scene(t, { large }, { chunkBytes: 256 * KIB });
  server.chunkBytes = 256 * KIB;
  server.limits = { ...server.limits, maxCredit: 64 * MIB };

  assert.deepEqual(Buffer.from(await session.read('large').buffer()), large.content);

  assert.ok(server.requests.some(({ credit, read }) => !read && credit >= 2 * MIB));
});

test('leaving a read cancels it and touches no other', async (t) => {
  const file = someFile('v1', 4 * MIB);
  const { server, session } = await scene(t, { file });

  const others = [session.read('file').buffer(), session.read('file').buffer()];
  for await (const chunk of session.read('file')) {
    assert.ok(chunk.byteLength > 0);
    break;
  }

  for (const bytes of await Promise.all(others)) assert.equal(Buffer.compare(bytes, file.content), 0);
  assert.equal(server.asked('cancel').length, 1);
  await until(() => server.open === 0);
});

test('an aborted signal cancels one of a thousand requests', async (t) => {
  const file = someFile('v1', 2 * MIB);
  const { server, session } = await scene(t, { file });
  server.limits = { ...server.limits, maxRequests: 2000 };
  const aborter = new AbortController();

  const cancelled = failureOf(session.read('file', { signal: aborter.signal, limit: MIB + 1 }).buffer());
  assert.equal(getEventListeners(aborter.signal, 'abort').length, 1);
  const others = Array.from({ length: 999 }, (_, i) =>
    session.read('file', { start: i, limit: 10_000 }).buffer(),
  );
  await until(() => server.asked('read').length > 10);
  aborter.abort();

  assert.equal((await cancelled).code, 'CANCELLED');
  assert.equal((await failureOf(session.stat('file', { signal: aborter.signal }))).code, 'CANCELLED');
  const contents = await Promise.all(others);
  for (const [i, bytes] of contents.entries()) {
    assert.equal(Buffer.compare(bytes, file.content.subarray(i, i + 10_000)), 0);
  }
  assert.equal((await failureOf(session.stat('file', { signal: AbortSignal.abort() }))).code, 'CANCELLED');
  assert.equal(server.streams.length, 1);
});

test('buffer() refuses more than it may take, and a read is read once', async (t) => {
  const { server, session } = await scene(t, { file: someFile() });

  const failure = await failureOf(session.read('file').buffer({ maxBytes: 1000 }));
  assert.equal(failure.code, 'INVALID_ARGUMENT');
  assert.match(failure.message, /raise maxBytes/);
  await until(() => server.open === 0);
  const read = session.read('file', { limit: 1000 });
  assert.equal((await read.buffer({ maxBytes: 1000 })).byteLength, 1000);
  assert.equal((await failureOf(read.buffer())).code, 'INVALID_ARGUMENT');
  assert.throws(() => session.read('file', { start: -1 }), { code: 'INVALID_ARGUMENT' });
});

test('lists with credit, in order', async (t) => {
  const { server, session } = await scene(t);
  server.names = Array.from({ length: 500 }, (_, i) => `${'long-name/'.repeat(100)}${i}`);

  const names: string[] = [];
  for await (const { name } of session.list('', { recursive: true })) names.push(name);
  assert.deepEqual(names, server.names);

  server.requests.length = 0;
  let sent = 0;
  server.onSend = (_stream, answer) => {
    sent += answer.entries ? 1 : 0;
    return { answers: [answer] };
  };
  for await (const { name } of session.list()) {
    await session.stat('none').catch(() => {});
    assert.equal(name, server.names[0]);
    break;
  }
  await until(() => server.open === 0);
  assert.ok(sent < 300, `${sent} of ${names.length} entries were sent to a consumer that stopped`);
});

test('writes small files, with conditions', async (t) => {
  const { server, session } = await scene(t);

  const { version } = await session.write('a', Buffer.from('one'), { mode: 0o600, modifiedMs: 1234 });
  assert.deepEqual(server.files.get('a')?.content, Buffer.from('one'));
  assert.deepEqual(server.asked('write')[0]?.write?.files[0], {
    fileName: 'a',
    size: 3,
    overwrite: 'OVERWRITE_ALWAYS',
    ifMatch: '',
    modifiedMs: 1234,
    mode: 0o600,
  });
  assert.equal(
    (await failureOf(session.write('a', Buffer.from('x'), { overwrite: false }))).code,
    'ALREADY_EXISTS',
  );
  assert.equal(
    (await failureOf(session.write('a', Buffer.from('x'), { ifMatch: 'other' }))).code,
    'VERSION_MISMATCH',
  );
  await session.write('a', Buffer.from('two'), { ifMatch: version });
  assert.deepEqual(server.files.get('a')?.content, Buffer.from('two'));
  await session.write('empty', new Uint8Array(0));
  assert.equal(server.files.get('empty')?.content.byteLength, 0);
  const failure = await failureOf(session.write('large', Buffer.alloc(2 * MIB)));
  assert.equal(failure.code, 'INVALID_ARGUMENT');
  assert.match(failure.message, /client\.upload/);
  await session.makeDirectory('some/where', { mode: 0o700 });
  assert.deepEqual(server.directories, ['some/where']);
});

test('a thousand writes go through two messages under way', async (t) => {
  const { server, session } = await scene(t);

  const names = Array.from({ length: 1000 }, (_, i) => `f${i}`);
  await Promise.all(names.map((name) => session.write(name, Buffer.from(name))));

  assert.deepEqual([...server.files.keys()].sort(), names.sort());
  assert.equal(server.streams.length, 1);
});

test('reads and writes packs', async (t) => {
  const { server, session } = await scene(t);
  const files = Array.from({ length: 200 }, (_, i) => ({ name: `p${i}`, bytes: randomBytes(i * 41) }));
  files.push({ name: 'empty', bytes: Buffer.alloc(0) });

  assert.deepEqual(await packLimits(session.host), { maxFiles: 256, maxBytes: MIB });
  const written = await writePack(session.host, files);
  const refused = await writePack(session.host, [
    { name: 'p0', bytes: Buffer.from('x'), overwrite: false },
    { name: 'new', bytes: Buffer.from('y'), overwrite: false },
  ]);
  const wanted = files.map(({ name, bytes }, i) => {
    const result = written[i];
    assert.ok(result && 'version' in result);
    return { fileName: name, size: bytes.byteLength, version: i === 7 ? 'other' : result.version };
  });
  const contents: (Buffer | undefined)[] = [];
  for await (const content of readPack(session.host, wanted))
    contents.push(content && Buffer.from(content.bytes));

  assert.ok('error' in (refused[0] ?? {}));
  assert.ok('version' in (refused[1] ?? {}));
  assert.deepEqual(
    contents,
    files.map(({ bytes }, i) => (i === 7 ? undefined : bytes)),
  );
  assert.equal(server.streams.length, 1);
});

test('close() waits for what is open, and refuses more', async (t) => {
  const file = someFile('v1', 3 * MIB);
  const { server, session } = await scene(t, { file });

  const bytes = session.read('file').buffer();
  const closing = session.close();
  assert.equal((await failureOf(session.stat('file'))).code, 'INVALID_ARGUMENT');
  assert.deepEqual(Buffer.from(await bytes), file.content);
  await closing;
  await session.close();
  assert.equal(server.streams.length, 1);
});

test('disposing cancels what is open and does not hang', async (t) => {
  const file = someFile('v1', 3 * MIB);
  const { session } = await scene(t, { file });

  const iteration = session.read('file')[Symbol.asyncIterator]();
  await iteration.next();
  const stuck = failureOf(session.read('file').buffer());
  await session[Symbol.asyncDispose]();

  assert.equal((await stuck).code, 'CANCELLED');
  await assert.rejects(collect({ [Symbol.asyncIterator]: () => iteration }), { code: 'CANCELLED' });
});

test('a session lets the process of a closed client end', async (t) => {
  const server = await ExchangeServer.start(t, { file: someFile() });
  const client = clientOf(t, server.address);
  const session = client.session();
  await session.stat('file');

  client.close();

  assert.equal((await failureOf(session.stat('file'))).code, 'INVALID_ARGUMENT');
  assert.throws(() => client.session(), { code: 'INVALID_ARGUMENT' });
});

test('requests leave nothing behind in the client', async (t) => {
  const { server, session } = await scene(t, { file: someFile('v1', 4 * KIB) });
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const { signal } = new AbortController();
  const round = async () => {
    for (let i = 0; i < 10; i += 1) {
      await Promise.all(
        Array.from({ length: 100 }, async (_, at) => {
          if (at % 3 === 0) await session.stat('file', { signal });
          else if (at % 3 === 1) await session.read('file', { signal }).buffer();
          else for await (const _chunk of session.read('file', { signal })) break;
        }),
      );
    }
    server.requests.length = 0;
    await until(() => server.open === 0);
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };

  await round();
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  const before = await round();
  for (let i = 0; i < 3; i += 1) await round();
  const grownBytes = (await round()) - before;

  assert.ok(grownBytes < MIB, `4000 requests left ${grownBytes} bytes`);
});

test('a server without Exchange is told in one error, by which trees fall back', async (t) => {
  const server = await startServer(t, { file: someFile() });
  const session = clientOf(t, server).session();

  const failures = await Promise.all([
    failureOf(session.stat('file')),
    failureOf(session.read('file').buffer()),
    failureOf(session.write('file', Buffer.from('x'))),
  ]);
  await session.close();

  for (const failure of failures) {
    assert.equal(failure.code, 'UNIMPLEMENTED');
    assert.match(failure.message, /has no Exchange.*update the server/);
    assert.ok(isWithoutExchange(failure));
  }
  assert.ok(!isWithoutExchange(new TransferError('UNAVAILABLE', 'away')));
});
