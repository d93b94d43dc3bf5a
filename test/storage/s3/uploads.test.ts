/** Uploads to a bucket, against a model of its store; `test/s3/uploads.s3.ts` has them against a real one. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { newUploadId } from '../../../src/base/upload-id.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import { noise } from '../../support/content.ts';
import { Random, seedOf } from '../../support/seed.ts';
import { ModelS3 } from '../../support/stores/model-s3.ts';
import { until } from '../../support/until.ts';
import { race } from './upload-race.ts';
import { EXPIRY_MS, PART, Stream, send, sendTo, UploadServer } from './upload-server.ts';

const SIZE = 4 * PART + 123;
const CONTENT = noise(1, SIZE).bytes(0, SIZE);
const OTHER = noise(2, SIZE).bytes(0, SIZE);
const EXPECTED = { size: SIZE, crc32: crc32(CONTENT) };

const RACES = Number(process.env.SLUICE_TEST_RACES ?? 200);

function file(s3: ModelS3, name = 'file'): Buffer | undefined {
  return s3.objects.get(name)?.body;
}

function isFile(s3: ModelS3, content = CONTENT): boolean {
  return file(s3)?.equals(content) === true;
}

describe('an upload to a bucket', () => {
  it('commits contiguous full parts, and becomes a file at its finish', async (t) => {
    const s3 = new ModelS3();
    const upload = await new UploadServer(t, s3).start({ expected: { size: SIZE } });
    await send(upload, CONTENT, 0, 2 * PART + 10);
    assert.equal(upload.state().committedSize, 2 * PART);
    assert.deepEqual(upload.missing(0, SIZE), [{ start: 2 * PART + 10, end: SIZE }]);
    await send(upload, CONTENT);
    assert.equal(upload.state().committedSize, SIZE);
    assert.equal(file(s3), undefined);
    const found = await upload.finish(EXPECTED);
    assert.ok(isFile(s3));
    assert.equal(found.size, SIZE);
    assert.deepEqual(await upload.finish(EXPECTED), found);
    assert.deepEqual(upload.state().file, found);
    await assert.rejects(upload.finish({ size: SIZE, crc32: 1 }), { code: 'CONTENT_MISMATCH' });
  });

  it('takes bytes in any order from several streams, and parts in which two of them meet', async (t) => {
    const s3 = new ModelS3();
    const upload = await new UploadServer(t, s3).start({ expected: { size: SIZE } });
    const streams = [
      await Stream.open(upload),
      await Stream.open(upload),
      await Stream.open(upload),
    ] as const;
    await Promise.all([
      streams[0].write(CONTENT, 0, 1300),
      streams[1].write(CONTENT, 1300, 2777),
      streams[2].write(CONTENT, 2777, SIZE),
    ]);
    for (const stream of streams) await stream.end();
    await upload.finish(EXPECTED);
    assert.ok(isFile(s3));
    assert.equal(s3.count('putPart'), 5);
  });

  it('of unknown size ends where it is finished', async (t) => {
    for (const size of [0, 1, PART - 1, PART, PART + 1, SIZE]) {
      const s3 = new ModelS3();
      const upload = await new UploadServer(t, s3).start();
      const content = CONTENT.subarray(0, size);
      await send(upload, content);
      await upload.finish({ size, crc32: crc32(content) });
      assert.ok(isFile(s3, content), `${size}`);
    }
  });

  it('of one part is one PUT at the finish, checked against a SHA-256', async (t) => {
    const s3 = new ModelS3();
    const upload = await new UploadServer(t, s3).start({ expected: { size: PART } });
    const content = CONTENT.subarray(0, PART);
    await send(upload, content);
    await assert.rejects(upload.finish({ sha256: createHash('sha256').update('x').digest() }), {
      code: 'CONTENT_MISMATCH',
    });
    await upload.finish({ sha256: createHash('sha256').update(content).digest() });
    assert.ok(isFile(s3, content));
    assert.equal(s3.count('create'), 0);
  });

  it('is not finished with other content than was declared, or with less', async (t) => {
    const s3 = new ModelS3();
    const upload = await new UploadServer(t, s3).start();
    await send(upload, CONTENT);
    await assert.rejects(upload.finish({ size: SIZE, crc32: 1 }), { code: 'CONTENT_MISMATCH' });
    await assert.rejects(upload.finish({ size: SIZE + 1 }), { code: 'CONTENT_MISMATCH' });
    await assert.rejects(upload.finish({ size: SIZE - 1 }), { code: 'CONTENT_MISMATCH' });
    assert.equal(file(s3), undefined);
    await upload.finish(EXPECTED);
    assert.ok(isFile(s3));
  });

  it('goes on on another server with what is committed', async (t) => {
    const s3 = new ModelS3();
    const id = newUploadId();
    const spec = { id, expected: { size: SIZE } };
    await send(await new UploadServer(t, s3).start(spec), CONTENT, 0, 2 * PART + 500);
    const upload = await new UploadServer(t, s3).sessions.find(id);
    assert.equal(upload.state().committedSize, 2 * PART);
    const before = s3.count('putPart');
    await send(upload, CONTENT);
    await upload.finish(EXPECTED);
    assert.ok(isFile(s3));
    assert.equal(s3.count('putPart') - before, 3);
    const elsewhere = await new UploadServer(t, s3).sessions.find(id);
    assert.equal((await elsewhere.finish(EXPECTED)).size, SIZE);
    await assert.rejects(elsewhere.finish({ ...EXPECTED, crc32: 1 }), { code: 'CONTENT_MISMATCH' });
  });

  it('ends its streams with TAKEN_OVER where another server goes on', async (t) => {
    const s3 = new ModelS3();
    const id = newUploadId();
    const first = await new UploadServer(t, s3).start({ id, expected: { size: SIZE } });
    const stream = await Stream.open(first);
    await stream.write(CONTENT, 0, PART);
    await first.sync();
    const second = await new UploadServer(t, s3).sessions.find(id);
    await send(second, CONTENT, PART, 2 * PART);
    await stream.write(CONTENT, 2 * PART, 3 * PART).catch(() => {});
    await assert.rejects(first.sync(), { code: 'TAKEN_OVER' });
    await stream.end();
    assert.equal((stream.error as { code?: string } | undefined)?.code, 'TAKEN_OVER');
    assert.equal(second.state().committedSize, 2 * PART);
    await send(second, CONTENT);
    await second.finish(EXPECTED);
    assert.ok(isFile(s3));
  });

  it('is not finished with a part that a former owner has replaced, and goes on from there', async (t) => {
    const s3 = new ModelS3();
    const upload = await new UploadServer(t, s3).start({ expected: { size: SIZE } });
    await send(upload, CONTENT);
    const [multipart] = s3.uploads.values();
    multipart?.parts.set(2, OTHER.subarray(PART, 2 * PART));
    await assert.rejects(upload.finish(EXPECTED), { code: 'CONTENT_MISMATCH' });
    assert.equal(file(s3), undefined);
    assert.equal(upload.state().committedSize, PART);
    await send(upload, CONTENT);
    await upload.finish(EXPECTED);
    assert.ok(isFile(s3));
  });

  it('has succeeded where the answer to its completion, or to its PUT, was lost', async (t) => {
    for (const [size, request] of [
      [SIZE, 'complete'],
      [PART, 'put'],
    ] as const) {
      const s3 = new ModelS3();
      const upload = await new UploadServer(t, s3).start({ expected: { size } });
      const content = CONTENT.subarray(0, size);
      await send(upload, content);
      s3.fault = (each, key) => (each === request && key === 'file' ? 'behind' : undefined);
      assert.equal((await upload.finish({ size })).size, size);
      assert.ok(isFile(s3, content));
    }
  });

  it('keeps its condition, by the store or by a look before', async (t) => {
    for (const has of [true, false]) {
      for (const size of [SIZE, PART]) {
        const s3 = new ModelS3();
        s3.hasCompleteConditions = has;
        const server = new UploadServer(t, s3);
        const content = CONTENT.subarray(0, size);
        const spec = { expected: { size } };
        const absent = await server.start(spec);
        await send(absent, content);
        s3.put('file', OTHER);
        await assert.rejects(absent.finish({ size }), { code: 'ALREADY_EXISTS' });
        await assert.rejects(server.start(spec), { code: 'ALREADY_EXISTS' });
        assert.ok(isFile(s3, OTHER));

        const { version } = await s3.bucket.head('file');
        const condition = { kind: 'version', version } as const;
        const late = await server.start({ ...spec, condition });
        const replacing = await server.start({ ...spec, condition });
        for (const upload of [late, replacing]) await send(upload, content);
        await replacing.finish({ size });
        assert.ok(isFile(s3, content));
        await assert.rejects(late.finish({ size }), { code: 'VERSION_MISMATCH' });
      }
    }
  });

  it('ends its streams where a part cannot be stored, and sends the part again', async (t) => {
    const s3 = new ModelS3();
    const upload = await new UploadServer(t, s3).start({ expected: { size: SIZE } });
    s3.fault = (request) => (request === 'putPart' ? 'before' : undefined);
    await assert.rejects(send(upload, CONTENT), { code: 'UNAVAILABLE' });
    assert.equal(upload.state().committedSize, 0);
    s3.fault = () => undefined;
    await send(upload, CONTENT);
    await upload.finish(EXPECTED);
    assert.ok(isFile(s3));
  });

  it('is gone once it is aborted, on every server', async (t) => {
    const s3 = new ModelS3();
    const id = newUploadId();
    const first = await new UploadServer(t, s3).start({ id, expected: { size: SIZE } });
    await send(first, CONTENT, 0, 2 * PART);
    const other = new UploadServer(t, s3);
    await (await other.sessions.find(id)).abort();
    assert.deepEqual([...s3.objects.keys(), ...s3.uploads.keys()], []);
    await assert.rejects(other.sessions.find(id), { code: 'UPLOAD_NOT_FOUND' });
    await assert.rejects(send(first, CONTENT));
    await assert.rejects(first.finish(EXPECTED));
    assert.equal(file(s3), undefined);
  });

  it('is discarded by any server when it has expired, with its parts', async (t) => {
    const s3 = new ModelS3();
    const id = newUploadId();
    await send(await new UploadServer(t, s3).start({ id, expected: { size: SIZE } }), CONTENT, 0, 2 * PART);
    const other = new UploadServer(t, s3);
    s3.nowMs += EXPIRY_MS - 1;
    await other.sessions.sweep();
    assert.equal(s3.uploads.size, 1);
    s3.nowMs += 1;
    await other.sessions.sweep();
    assert.deepEqual([...s3.objects.keys(), ...s3.uploads.keys()], []);
    await assert.rejects(other.sessions.find(id), { code: 'UPLOAD_NOT_FOUND' });
  });
});

describe('the memory for parts', () => {
  it('has room for as many streams as it has parts; a further one waits', async (t) => {
    const s3 = new ModelS3();
    const server = new UploadServer(t, s3, 2 * PART);
    const open = async (name: string) => {
      const upload = await server.start({ name, expected: { size: SIZE } });
      return { upload, stream: await Stream.open(upload) };
    };
    const [a, b] = [await open('a'), await open('b')];
    let isOpen = false;
    const third = open('c').then((c) => {
      isOpen = true;
      return c;
    });
    await a.stream.write(CONTENT, 0, SIZE);
    await b.stream.write(CONTENT, 0, SIZE);
    assert.equal(isOpen, false);
    await a.stream.close();
    await a.upload.finish(EXPECTED);
    const c = await third;
    await c.stream.write(CONTENT, 0, SIZE);
    for (const { stream, upload } of [b, c]) {
      await stream.close();
      await upload.finish(EXPECTED);
    }
    for (const name of ['a', 'b', 'c']) assert.ok(file(s3, name)?.equals(CONTENT));
    assert.equal(server.memory.freeBytes, 2 * PART);
  });

  it('is taken from parts that nobody goes on with', async (t) => {
    const s3 = new ModelS3();
    const server = new UploadServer(t, s3, PART);
    const left = await server.start({ name: 'left', expected: { size: SIZE } });
    await send(left, CONTENT, 0, PART + 10);
    assert.equal(server.memory.freeBytes, 0);
    const next = await server.start({ name: 'next', expected: { size: SIZE } });
    await send(next, CONTENT);
    await next.finish(EXPECTED);
    assert.deepEqual(left.missing(0, SIZE), [{ start: PART, end: SIZE }]);
    await send(left, CONTENT);
    await left.finish(EXPECTED);
    assert.ok(file(s3, 'left')?.equals(CONTENT));
    assert.equal(server.memory.freeBytes, PART);
  });

  it('lets a stream go on that left the beginning of a part to another', async (t) => {
    const s3 = new ModelS3();
    const server = new UploadServer(t, s3, PART);
    const upload = await server.start({ expected: { size: SIZE } });
    await send(upload, CONTENT, 1500, SIZE);
    await send(upload, CONTENT);
    await upload.finish(EXPECTED);
    assert.ok(isFile(s3));
    assert.equal(server.memory.freeBytes, PART);
  });
});

describe('servers that share uploads', () => {
  it(`make one file of one upload that both finish, ${RACES} times`, async (t) => {
    const random = new Random(seedOf(t));
    let files = 0;
    for (let turn = 0; turn < RACES; turn++) {
      const s3 = new ModelS3();
      const size = random.pick([SIZE, PART, PART + 1, 10] as const);
      const one = CONTENT.subarray(0, size);
      const two = random.next() < 0.5 ? one : OTHER.subarray(0, size);
      s3.passed = async () => {
        for (let turns = random.between(0, 4); turns > 0; turns--) await new Promise(setImmediate);
      };
      const servers = [new UploadServer(t, s3), new UploadServer(t, s3)] as const;
      const content = async () => file(s3);
      if (await race({ name: 'file', servers, contents: [one, two], content })) files += 1;
    }
    t.diagnostic(`${files} of them made a file`);
  });

  it('never give a name to mixed bytes, whatever of their requests fails and whoever dies', async (t) => {
    const random = new Random(seedOf(t));
    for (let history = 0; history < 200; history++) {
      const s3 = new ModelS3();
      s3.hasCompleteConditions = random.next() < 0.5;
      s3.fault = () => (random.next() < 0.05 ? random.pick(['before', 'behind'] as const) : undefined);
      s3.passed = async () => {
        for (let turns = random.between(0, 3); turns > 0; turns--) await new Promise(setImmediate);
      };
      const live = () => new UploadServer(t, s3, random.between(1, 4) * PART);
      const servers = [live(), live()];
      const pick = () => {
        // A new server in the place of one that died.
        const at = random.between(0, 1);
        if (random.next() < 0.3) servers[at] = live();
        return servers[at] as UploadServer;
      };
      const size = random.between(0, SIZE);
      const [one, two] = [CONTENT.subarray(0, size), OTHER.subarray(0, size)];
      const any = { kind: 'any' } as const;
      const clients = [one, two].map((content) =>
        sendTo(pick, { id: newUploadId(), name: 'file', condition: any, expected: { size } }, content).catch(
          (reason: unknown) => reason,
        ),
      );
      await Promise.all(clients);
      const made = file(s3);
      assert.ok(made === undefined || made.equals(one) || made.equals(two), 'it is one of the two');
      s3.fault = () => undefined;
      const spec = { id: newUploadId(), name: 'file', condition: any, expected: { size } };
      await sendTo(pick, spec, one);
      assert.ok(isFile(s3, one));
    }
  });
});

describe('an upload of this server', () => {
  it('is shown to operators until it is finished', async (t) => {
    const s3 = new ModelS3();
    const server = new UploadServer(t, s3);
    const upload = await server.start({ expected: { size: SIZE } });
    await send(upload, CONTENT, 0, PART + 5);
    const [shown] = server.sessions.open();
    assert.equal(shown?.receivedSize, PART + 5);
    assert.equal(shown?.committedSize, PART);
    await send(upload, CONTENT);
    await upload.finish(EXPECTED);
    await until('it is not shown any more', () => server.sessions.open().length === 0);
  });
});
