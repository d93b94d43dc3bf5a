/** Uploads that are interrupted, by every kind of fault, end with the right file all the same. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { MAX_RESTARTS, MIN_PART_BYTES } from '../../../src/client/limits.ts';
import type { UploadSource } from '../../../src/client/upload/options.ts';
import { CHUNK_BYTES, clientOf, failureOf, until } from '../fixtures.ts';
import type { CallFault } from './peer.ts';
import { LARGE, piecesOf, type Scene, scene } from './scene.ts';

const content = randomBytes(LARGE);
const HALF = Math.floor(LARGE / 2);

const SOURCES: [string, (at: Scene) => UploadSource][] = [
  ['a path', ({ pathOf }) => pathOf(content)],
  ['bytes', () => content],
  ['a stream', () => Readable.from(piecesOf(content, 10_000))],
];

const FAULTS: [string, CallFault['how']][] = [
  ['a cut connection', 'cut'],
  ['a crash of the server', 'crash'],
  ['a lost answer', 'lose answer'],
  ['a server that drains', new TransferError('UNAVAILABLE', 'draining')],
  ['a stall', new TransferError('STALLED', 'no byte for a while')],
  ['a failed write', new TransferError('WRITE_FAILED', 'the disk')],
  ['a wrong checksum', new TransferError('CHECKSUM_MISMATCH', 'the chunk')],
  ['a full disk', new TransferError('DISK_FULL', 'no space')],
  ['a busy server', new TransferError('RESOURCE_EXHAUSTED', 'too many')],
  [
    'a FAILED_PRECONDITION without a reason',
    Object.assign(new TransferError('VERSION_MISMATCH', 'no'), { isBare: true }),
  ],
  ['an ABORTED without a reason', Object.assign(new TransferError('STALLED', 'no'), { isBare: true })],
  ['a gap', new TransferError('GAP', 'expected offset 0')],
];

for (const [what, make] of SOURCES) {
  for (const [fault, how] of FAULTS) {
    test(`${what} survives ${fault}, begun by the call that sends it`, async (t) => {
      const at = await scene(t);
      await at.client.upload(content, 'before');
      at.peer.calls.length = 0;
      at.peer.faults.push({ how }, { how, afterBytes: HALF });
      const result = await at.client.upload(make(at), 'a');
      assert.ok(at.peer.files.get('a')?.content.equals(content));
      assert.equal(at.peer.calls[0], 'UploadFile');
      assert.equal(result.restarts, 0);
      assert.deepEqual(at.records(), []);
      // One upload each: what a cut call had begun is what the next ones went on with.
      assert.equal(at.peer.uploads.size, 2);
    });

    test(`${what} survives ${fault}`, async (t) => {
      const at = await scene(t);
      at.peer.faults.push({ how }, { how, afterBytes: HALF }, { how, afterBytes: CHUNK_BYTES });
      const result = await at.client.upload(make(at), 'a');
      assert.ok(at.peer.files.get('a')?.content.equals(content));
      // Without a fault it is StartUpload and one UploadFile.
      assert.ok(at.peer.calls.length > 2);
      assert.equal(result.restarts, 0);
      assert.deepEqual(at.records(), []);
    });
  }
}

test('what is durable is not sent again', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  peer.faults.push({ how: new TransferError('UNAVAILABLE', 'draining'), afterBytes: HALF });
  await client.upload(pathOf(content), 'a');
  assert.equal(peer.receivedBytes, LARGE);
});

for (const method of ['StartUpload', 'FinishUpload']) {
  test(`a lost answer to ${method} is asked for again`, async (t) => {
    const { client, pathOf, peer } = await scene(t);
    await client.upload(Buffer.from('warm up'), 'b');
    peer.lostAnswers.push(method);
    // The call that sends the bytes finishes as well; where it fails, FinishUpload does.
    if (method === 'FinishUpload') peer.refusals.FinishUpload = [new TransferError('STALLED', 'no byte')];
    await client.upload(pathOf(content), 'a');
    assert.ok(peer.callsOf(method) >= 2);
    assert.ok(peer.files.get('a')?.content.equals(content));
  });
}

for (const overwrite of [false, true]) {
  test(`a small upload whose answer is lost is no failure, overwrite ${overwrite}`, async (t) => {
    const { client, pathOf, peer } = await scene(t);
    await client.upload(Buffer.from('warm up'), 'b');
    peer.faults.push({ how: 'lose answer' }, { how: 'cut' });
    await client.upload(pathOf(Buffer.from('small')), 'a', { overwrite });
    assert.equal(peer.files.get('a')?.content.toString(), 'small');
    // One file was made of it, not two.
    assert.equal(peer.files.get('a')?.version, 'v2');
  });

  test(`a small upload that its first call finishes while the next one begins is no failure, overwrite ${overwrite}`, async (t) => {
    const { client, pathOf, peer } = await scene(t);
    peer.faults.push(
      { how: 'lose answer' },
      { how: new TransferError('UPLOAD_NOT_FOUND', 'is finished and accepts no more bytes') },
    );
    let asked = 0;
    peer.lie = (status) => (++asked === 1 ? { ...status, complete: false, file: null } : status);
    const { restarts } = await client.upload(pathOf(Buffer.from('small')), 'a', { overwrite });
    assert.deepEqual([restarts, asked, peer.starts.length], [0, 2, 1]);
    assert.equal(peer.files.get('a')?.content.toString(), 'small');
  });
}

test('a server that takes nothing any more is left, and another call goes on', async (t) => {
  const { pathOf, peer } = await scene(t);
  const client = clientOf(t, peer.address, { stallTimeoutMs: 300 });
  const large = randomBytes(4 * 1024 * 1024);
  peer.faults.push({ how: 'hang', afterBytes: HALF });
  await client.upload(pathOf(large), 'a');
  assert.ok(peer.files.get('a')?.content.equals(large));
});

test('an error that will not pass ends the upload at once and leaves nothing', async (t) => {
  const { client, pathOf, peer, records } = await scene(t);
  peer.faults.push({ how: new TransferError('TOO_LARGE', 'the limit is 1 KiB'), afterBytes: 1 });
  assert.equal((await failureOf(client.upload(pathOf(content), 'a'))).code, 'TOO_LARGE');
  assert.deepEqual([peer.callsOf('UploadFile'), peer.uploads.size], [1, 0]);
  assert.deepEqual(records(), []);
});

test('a disk that stays full is the error at the end, and the upload is kept', async (t) => {
  const { pathOf, peer, records } = await scene(t);
  const client = clientOf(t, peer.address, { retry: { attempts: 3 } });
  const full = new TransferError('DISK_FULL', 'the disk of the server is full');
  for (let call = 0; call < 5; call++) peer.faults.push({ how: full });
  assert.equal((await failureOf(client.upload(pathOf(content), 'a'))).code, 'DISK_FULL');
  assert.equal(peer.callsOf('UploadFile'), 3);
  assert.equal(records().length, 1);
});

test('a name that is taken is told by the call that sends', async (t) => {
  const { client, pathOf, peer, records } = await scene(t);
  await client.upload(content, 'a');
  const error = await failureOf(client.upload(pathOf(content), 'a', { overwrite: false }));
  assert.equal(error.code, 'ALREADY_EXISTS');
  assert.deepEqual([peer.uploads.size, records()], [1, []]);
});

test('a server that takes other codecs than the one before is asked for them', async (t) => {
  const { client, peer } = await scene(t);
  const text = Buffer.alloc(LARGE, 'some text, again and again. ');
  await client.upload(text, 'a.txt', { compression: 'always' });
  peer.faults.push({ how: new TransferError('INVALID_ARGUMENT', 'this server takes nothing') });
  peer.acceptedCodecs = [];
  const { restarts } = await client.upload(text, 'b.txt', { compression: 'always' });
  assert.equal(restarts, 1);
  assert.ok(peer.files.get('b.txt')?.content.equals(text));
  assert.equal(peer.callsOf('StartUpload'), 2);
});

test('a server that takes smaller chunks than the one before gets them', async (t) => {
  const at = await scene(t);
  const client = clientOf(t, at.peer.address, { chunkBytes: CHUNK_BYTES });
  await client.upload(content, 'a');
  at.peer.faults.push({ how: new TransferError('RESOURCE_EXHAUSTED', 'a chunk is too large') });
  at.peer.maxChunkBytes = CHUNK_BYTES / 2;
  at.peer.chunks.length = 0;
  await client.upload(content, 'b');
  assert.ok(at.peer.files.get('b')?.content.equals(content));
  assert.ok(at.peer.chunks.slice(1).every(({ bytes }) => bytes <= CHUNK_BYTES / 2));
});

test('an upload taken over by another process ends, and leaves it to that one', async (t) => {
  const { client, pathOf, peer, records } = await scene(t);
  peer.faults.push({ how: new TransferError('TAKEN_OVER', 'a newer stream'), afterBytes: HALF });
  assert.equal((await failureOf(client.upload(pathOf(content), 'a'))).code, 'TAKEN_OVER');
  assert.deepEqual([peer.callsOf('UploadFile'), peer.callsOf('AbortUpload')], [1, 0]);
  assert.equal(records().length, 1);
});

test('connections that take the upload from each other, as servers behind one address do, become one', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  const large = randomBytes(2 * MIN_PART_BYTES);
  const takenOver = new TransferError('TAKEN_OVER', 'another server');
  peer.faults.push({ how: takenOver, afterBytes: HALF }, { how: takenOver, afterBytes: HALF });
  await client.upload(pathOf(large), 'a', { connections: 2 });
  assert.ok(peer.files.get('a')?.content.equals(large));
});

test('bytes of a dead connection that arrive late are no other process, once', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  const takenOver = new TransferError('TAKEN_OVER', 'a newer stream');
  peer.faults.push({ how: 'cut', afterBytes: HALF }, { how: takenOver });
  await client.upload(pathOf(content), 'a');
  assert.ok(peer.files.get('a')?.content.equals(content));
  peer.faults.push({ how: 'cut', afterBytes: HALF }, { how: takenOver }, { how: takenOver });
  assert.equal((await failureOf(client.upload(pathOf(content), 'b'))).code, 'TAKEN_OVER');
});

test('an upload that the server has lost begins again', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  peer.faults.push({ how: 'cut', afterBytes: HALF });
  let isLost = false;
  peer.lie = (status) => {
    if (isLost) return status;
    isLost = true;
    peer.uploads.clear();
    throw new TransferError('UPLOAD_NOT_FOUND', 'expired');
  };
  const result = await client.upload(pathOf(content), 'a');
  assert.equal(result.restarts, 1);
  assert.ok(peer.files.get('a')?.content.equals(content));
});

test('a stream that may keep less than the server makes durable at once ends, and says why', async (t) => {
  const { peer } = await scene(t);
  const client = clientOf(t, peer.address, { chunkBytes: CHUNK_BYTES });
  peer.partBytes = content.length;
  const stream = Readable.from(piecesOf(content, 10_000));
  const error = await failureOf(client.upload(stream, 'a', { replayBytes: 2 * CHUNK_BYTES }));
  assert.equal(error.code, 'INVALID_ARGUMENT');
  assert.match(error.message, /replayBytes/);
  assert.equal(peer.uploads.size, 0);
});

test('a stream begins again only as long as nothing of it is gone', async (t) => {
  const { peer } = await scene(t);
  const client = clientOf(t, peer.address);
  peer.faults.push({ how: 'cut', afterBytes: HALF }, { how: 'cut', afterBytes: CHUNK_BYTES });
  let statuses = 0;
  peer.lie = (status) => {
    statuses += 1;
    if (statuses < 2) return status;
    throw new TransferError('UPLOAD_NOT_FOUND', 'expired');
  };
  const source = Readable.from(piecesOf(content, 10_000));
  assert.equal((await failureOf(client.upload(source, 'a'))).code, 'UPLOAD_NOT_FOUND');
  assert.ok(source.destroyed);
});

test('bytes that the server lost after it had them are sent again', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  peer.refusals.FinishUpload = [new TransferError('CONTENT_MISMATCH', 'bytes are missing')];
  let isForgotten = false;
  peer.lie = (status) => {
    if (isForgotten) return status;
    isForgotten = true;
    const [upload] = peer.uploads.values();
    if (upload !== undefined) {
      upload.received = [{ start: 0, end: HALF }];
      upload.durable = upload.received;
    }
    return { ...status, committedSize: HALF, parts: [{ start: 0, end: HALF }] };
  };
  const result = await client.upload(pathOf(content), 'a');
  assert.equal(result.restarts, 0);
  assert.equal(peer.receivedBytes, 2 * LARGE - HALF);
});

test('wrong bytes on the server are sent again, once', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  const wrong = new TransferError('CONTENT_MISMATCH', 'the CRC-32 is another');
  peer.refusals.FinishUpload = [wrong];
  assert.equal((await client.upload(pathOf(content), 'a')).restarts, 1);
  peer.refusals.FinishUpload = [wrong, wrong];
  assert.equal((await failureOf(client.upload(pathOf(content), 'b'))).code, 'CONTENT_MISMATCH');
});

for (const [how, change] of [
  ['is written to', (path: string) => writeFileSync(path, Buffer.alloc(LARGE, 7))],
  ['grows', (path: string) => appendFileSync(path, 'more')],
  ['shrinks', (path: string) => truncateSync(path, HALF)],
  ['gets other rights', (path: string) => chmodSync(path, 0o600)],
] as const) {
  test(`a source that ${how} meanwhile is sent anew, and only the new one is there`, async (t) => {
    const { client, pathOf, peer } = await scene(t);
    const path = pathOf(content);
    let isChanged = false;
    peer.onMessage = () => {
      if (!isChanged && peer.chunks.length > 3) {
        isChanged = true;
        change(path);
      }
    };
    const result = await client.upload(path, 'a');
    assert.equal(result.restarts, 1);
    const [now] = [...peer.files.values()];
    assert.ok(now?.content.equals(readFileSync(path)));
    assert.equal(peer.uploads.size, 1);
  });
}

test('a source that does not stop changing is given up', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  const path = pathOf(content);
  peer.onMessage = () => appendFileSync(path, 'x');
  assert.equal((await failureOf(client.upload(path, 'a'))).code, 'FILE_CHANGED');
  assert.equal(peer.callsOf('StartUpload'), MAX_RESTARTS + 1);
  assert.equal(peer.uploads.size, 0);
});

test('a later run resumes what an aborted one has sent', async (t) => {
  const { client, pathOf, peer, records } = await scene(t);
  const path = pathOf(content);
  const abort = new AbortController();
  peer.onMessage = () => {
    if (peer.receivedBytes > HALF) abort.abort();
  };
  assert.equal((await failureOf(client.upload(path, 'a', { signal: abort.signal }))).code, 'CANCELLED');
  assert.equal(records().length, 1);
  peer.onMessage = () => {};
  const sentBefore = peer.receivedBytes;
  const result = await client.upload(path, 'a');
  assert.ok(result.resumedBytes > 0);
  assert.equal(peer.receivedBytes - sentBefore, LARGE - result.resumedBytes);
  assert.ok(peer.files.get('a')?.content.equals(content));
  assert.deepEqual([peer.callsOf('StartUpload'), records().length], [1, 0]);
});

test('a later run of a changed source discards the upload of the old one', async (t) => {
  const { pathOf, peer } = await scene(t);
  const client = clientOf(t, peer.address, { retry: { attempts: 1 } });
  peer.faults.push({ how: new TransferError('STALLED', 'no byte'), afterBytes: HALF });
  assert.equal((await failureOf(client.upload(pathOf(content), 'a'))).code, 'STALLED');
  const other = randomBytes(LARGE);
  const result = await client.upload(pathOf(other), 'a');
  assert.equal(result.resumedBytes, 0);
  assert.ok(peer.files.get('a')?.content.equals(other));
  assert.deepEqual([peer.callsOf('AbortUpload'), peer.uploads.size], [1, 1]);
});

test('an upload that its first call finishes while the next one begins is no failure', async (t) => {
  const { client, pathOf, peer, records } = await scene(t);
  peer.faults.push(
    { how: 'lose answer' },
    { how: new TransferError('UPLOAD_NOT_FOUND', 'is finished and accepts no more bytes') },
  );
  let asked = 0;
  const nothing = { complete: false, file: null, committedSize: 0, parts: [] };
  peer.lie = (status) => (++asked === 1 ? { ...status, ...nothing } : status);
  const { restarts } = await client.upload(pathOf(content), 'a');
  assert.ok(peer.files.get('a')?.content.equals(content));
  assert.deepEqual([restarts, asked, peer.starts.length, records().length], [0, 2, 1, 0]);
});

test('a run that had sent everything is finished by the next one', async (t) => {
  const { pathOf, peer } = await scene(t);
  const once = clientOf(t, peer.address, { retry: { attempts: 1 } });
  peer.refusals.FinishUpload = [new TransferError('STALLED', 'no answer')];
  const path = pathOf(content);
  assert.equal((await failureOf(once.upload(path, 'a'))).code, 'STALLED');
  const result = await clientOf(t, peer.address).upload(path, 'a');
  assert.deepEqual([result.resumedBytes, result.bytes], [LARGE, LARGE]);
  assert.equal(peer.callsOf('StartUpload'), 1);
});

test('without a usable state directory an upload works, and is not kept', async (t) => {
  const { directory, pathOf, peer } = await scene(t);
  const client = clientOf(t, peer.address, { retry: { attempts: 1 } });
  writeFileSync(join(directory, 'state'), 'in the way');
  peer.faults.push({ how: new TransferError('STALLED', 'no byte'), afterBytes: HALF });
  assert.equal((await failureOf(client.upload(pathOf(content), 'a'))).code, 'STALLED');
  assert.equal(peer.uploads.size, 0);
  await client.upload(pathOf(content), 'a');
  assert.ok(peer.files.has('a'));
});

test('a server that lies about what it has does not lead astray', async (t) => {
  for (const lie of [
    { parts: [{ start: 5, end: 1 }] },
    { parts: [{ start: 0, end: 2 ** 60 }] },
    { committedSize: -1, parts: [{ start: -1, end: 3 }] },
    { parts: [], committedSize: LARGE + 1 },
    { complete: true, file: null },
  ]) {
    const { pathOf, peer } = await scene(t);
    const client = clientOf(t, peer.address, { retry: { attempts: 2 } });
    peer.faults.push({ how: 'cut', afterBytes: HALF });
    peer.lie = (status) => ({ ...status, ...lie });
    assert.equal((await failureOf(client.upload(pathOf(content), 'a'))).code, 'PROTOCOL_ERROR');
    assert.ok(!peer.files.has('a'));
  }
});

test('a connection that cannot be had is done without', async (t) => {
  const { client, peer } = await scene(t, { chunkBytes: 1024 * 1024 });
  // More than two parts.
  const large = randomBytes(65 * 1024 * 1024);
  await client.upload(Buffer.from('warm up'), 'b');
  peer.refuseConnections();
  await client.upload(large, 'a', { connections: 3 });
  assert.ok(peer.files.get('a')?.content.equals(large));
  assert.equal(peer.connections, 1);
});

test('aborting discards what cannot be resumed, and destroys the stream', async (t) => {
  const { client, peer } = await scene(t);
  const abort = new AbortController();
  const endless = new Readable({ read: () => {} });
  endless.push(randomBytes(1000));
  const failing = failureOf(client.upload(endless, 'a', { signal: abort.signal }));
  await until(() => peer.receivedBytes > 0);
  abort.abort();
  assert.equal((await failing).code, 'CANCELLED');
  assert.ok(endless.destroyed);
  assert.equal(peer.uploads.size, 0);
});

test('a stream that fails ends the upload with its reason and discards it', async (t) => {
  const { client, peer } = await scene(t);
  const failing = Readable.from(
    (async function* () {
      yield randomBytes(1000);
      await until(() => peer.receivedBytes > 0);
      throw new Error('the tape broke');
    })(),
  );
  const failure = await failureOf(client.upload(failing, 'a'));
  assert.equal(failure.code, 'LOCAL_IO');
  assert.match(failure.message, /the tape broke/);
  assert.equal(peer.uploads.size, 0);
});
