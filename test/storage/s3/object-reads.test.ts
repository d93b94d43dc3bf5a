/** Reads of an object when its store has a bad moment. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Reader } from '../../../src/storage/byte-source.ts';
import { checksumText } from '../../../src/storage/s3/reads/stored-checksum.ts';
import type { OpenFile, Store } from '../../../src/storage/store.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import { noise } from '../../support/content.ts';
import { ScriptedS3, type Step } from '../../support/stores/scripted-s3.ts';
import { until } from '../../support/until.ts';

process.env.AWS_ACCESS_KEY_ID = 'key';
process.env.AWS_SECRET_ACCESS_KEY = 'secret';

const SIZE = 300_000;
const BYTES = noise(1, SIZE).bytes(0, SIZE);
const BUSY: Step = { kind: 'status', status: 503, code: 'SlowDown' };
const never = new AbortController().signal;

async function scene(
  t: TestContext,
  ...script: Step[]
): Promise<{ s3: ScriptedS3; store: Store; file: OpenFile; source: Reader }> {
  const s3 = await ScriptedS3.start(t, BYTES);
  const store = await s3.open();
  const file = await store.open('file');
  s3.script.push(...script);
  return { s3, store, file, source: file.source as Reader };
}

function memory(size = SIZE): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(size));
}

describe('a read of an object', () => {
  it('has the bytes of its range, and fewer only at the end of the file', async (t) => {
    const { source } = await scene(t);
    const target = memory(1000);
    assert.equal(await source.read(target, 7, never), 1000);
    assert.ok(BYTES.subarray(7, 1007).equals(target));
    assert.equal(await source.read(target, SIZE - 10, never), 10);
    assert.ok(BYTES.subarray(SIZE - 10).equals(target.subarray(0, 10)));
    assert.equal(await source.read(target, SIZE, never), 0);
  });

  it('is tried again after refusals, and goes on where it was cut', async (t) => {
    const cut: Step = { kind: 'cut', bytes: 100_000 };
    const { s3, source } = await scene(t, BUSY, { ...BUSY, status: 500, code: 'InternalError' }, cut);
    const target = memory();
    assert.equal(await source.read(target, 0, never), SIZE);
    assert.ok(BYTES.equals(target));
    const [first, second, third, fourth = ''] = s3.ranges;
    assert.deepEqual([first, second, third], ['', '', '']);
    const from = Number(/^bytes=(\d+)-/.exec(fourth)?.[1]);
    assert.ok(from > 0 && from <= 100_000, fourth);
  });

  it('ends with UNAVAILABLE after four attempts', async (t) => {
    const { s3, source } = await scene(t, ...Array(5).fill(BUSY));
    await assert.rejects(source.read(memory(), 0, never), { code: 'UNAVAILABLE' });
    assert.equal(s3.ranges.length, 4);
  });

  it('asks once where the object may not be read', async (t) => {
    const { s3, source } = await scene(t, { kind: 'status', status: 403, code: 'AccessDenied' });
    await assert.rejects(source.read(memory(), 0, never), { code: 'PERMISSION_DENIED' });
    assert.equal(s3.ranges.length, 1);
  });

  it('ends with FILE_CHANGED and the new version where the object was replaced', async (t) => {
    const { s3, source } = await scene(t);
    s3.etag = 'e2';
    await assert.rejects(source.read(memory(), 0, never), { code: 'FILE_CHANGED', version: 'e2' });
  });

  it('takes no bytes of another version from a store that ignores If-Match', async (t) => {
    const other: Step = { kind: 'etag', etag: 'e2' };
    const { source } = await scene(t, other, other, other, other);
    const target = memory();
    await assert.rejects(source.read(target, 0, never), { code: 'FILE_CHANGED' });
    assert.ok(target.every((byte) => byte === 0));
  });

  it('takes no bytes of another range from a store that ignores Range', async (t) => {
    const whole: Step = { kind: 'whole' };
    const { source } = await scene(t, whole, whole, whole, whole);
    const target = memory(100);
    await assert.rejects(source.read(target, 5, never), { code: 'FILE_CHANGED' });
    assert.ok(target.every((byte) => byte === 0));
  });

  it('ends with its signal, and leaves the memory and the connection alone from then on', async (t) => {
    const { s3, source } = await scene(t, { kind: 'hang', bytes: 1000 });
    const controller = new AbortController();
    const target = memory();
    const read = source.read(target, 0, controller.signal);
    await until('some bytes are there', () => target[500] === BYTES[500]);
    controller.abort();
    await assert.rejects(read, { code: 'CANCELLED' });
    await until('the connection is given up', () => s3.hanging === 0);
  });

  it('does not wait for a place once its signal aborts', async (t) => {
    const s3 = await ScriptedS3.start(t, BYTES);
    const store = await s3.open(1);
    const { source } = (await store.open('file')) as OpenFile & { source: Reader };
    s3.script.push({ kind: 'hang', bytes: 0 });
    const first = new AbortController();
    const reading = source.read(memory(), 0, first.signal);
    await until('the first read is under way', () => s3.hanging === 1);
    await assert.rejects(source.read(memory(), 0, AbortSignal.abort()), { code: 'CANCELLED' });
    first.abort();
    await assert.rejects(reading, { code: 'CANCELLED' });
  });
});

/** As the store has it of the bytes. */
const CHECKSUM = checksumText(crc32(BYTES));

describe('an object whose checksum the store keeps', () => {
  it('is DATA_LOSS where the whole that was read has another one', async (t) => {
    const s3 = await ScriptedS3.start(t, BYTES);
    const store = await s3.open();
    s3.checksum = CHECKSUM;
    const file = await store.open('file');
    await file.verifyUnchanged(crc32(BYTES));
    await file.verifyUnchanged();
    await assert.rejects(file.verifyUnchanged(crc32(BYTES) ^ 1), { code: 'DATA_LOSS' });
  });

  it('is read again where one answer has all of it, damaged, and is DATA_LOSS in the end', async (t) => {
    const s3 = await ScriptedS3.start(t, BYTES);
    const store = await s3.open();
    s3.checksum = CHECKSUM;
    const source = (await store.open('file')).source as Reader;
    const target = memory();
    s3.script.push({ kind: 'damage', at: 7 }, { kind: 'cut', bytes: 100_000 });
    assert.equal(await source.read(target, 0, never), SIZE);
    assert.ok(BYTES.equals(target));
    assert.equal(s3.ranges.length, 3);
    s3.script.push(...Array(4).fill({ kind: 'damage', at: 7 }));
    await assert.rejects(source.read(target, 0, never), { code: 'DATA_LOSS' });
  });

  it('has one that is not of the whole but of parts, and is compared with what they are', async (t) => {
    const s3 = await ScriptedS3.start(t, BYTES);
    const store = await s3.open();
    const parts = [BYTES.subarray(0, 100_000), BYTES.subarray(100_000, 200_000), BYTES.subarray(200_000)];
    const ofParts = parts.map((part) => Buffer.from(checksumText(crc32(part)), 'base64'));
    s3.checksum = `${checksumText(crc32(Buffer.concat(ofParts)))}-3`;
    const file = await store.open('file');
    // Nothing is known of the parts.
    await file.verifyUnchanged(1);
    s3.parts = parts.map((part) => ({ bytes: part.length, checksum: checksumText(crc32(part)) }));
    await file.verifyUnchanged(crc32(BYTES));
    await assert.rejects(file.verifyUnchanged(crc32(BYTES) ^ 1), { code: 'DATA_LOSS' });
    s3.parts.reverse();
    // These are not the parts that the object is of.
    await file.verifyUnchanged(1);
  });
});

describe('a read that is late', () => {
  /** As many as the store must have answered before it is known what is late, and for a few second requests. */
  async function known(t: TestContext): Promise<{ s3: ScriptedS3; source: Reader }> {
    const s3 = await ScriptedS3.start(t, BYTES);
    const store = await s3.open(8, true);
    const source = (await store.open('file')).source as Reader;
    for (let read = 0; read < 64; read++) await source.read(memory(1000), 10, never);
    s3.ranges.length = 0;
    return { s3, source };
  }

  async function counted(
    { counters: { secondReads } }: ScriptedS3,
    won: number,
    lost: number,
  ): Promise<void> {
    const counts = () => [secondReads.value('won'), secondReads.value('lost')];
    await until('all second requests are over', () => (counts()[0] ?? 0) + (counts()[1] ?? 0) >= won + lost);
    assert.deepEqual(counts(), [won, lost]);
  }

  it('is asked for again from where it is, and the first request is given up', async (t) => {
    const { s3, source } = await known(t);
    for (const bytes of [0, 100_000]) {
      s3.script.push({ kind: 'hang', bytes });
      const target = memory();
      assert.equal(await source.read(target, 0, never), SIZE);
      assert.ok(BYTES.equals(target));
      await until('the first request is given up', () => s3.hanging === 0);
    }
    const [all, again, other, rest = ''] = s3.ranges;
    assert.deepEqual([all, again, other], ['', '', '']);
    assert.match(rest, /^bytes=\d+-299999$/);
    await counted(s3, 2, 0);
  });

  it('goes on where the second request fails, and has more than one when it is late again', async (t) => {
    const { s3, source } = await known(t);
    const target = memory();
    s3.script.push({ kind: 'hang', bytes: 1000 }, BUSY, { kind: 'hang', bytes: 1000 });
    assert.equal(await source.read(target, 0, never), SIZE);
    assert.ok(BYTES.equals(target));
    assert.equal(s3.ranges.length, 4);
    await counted(s3, 2, 1);
  });
});

describe('a pack of objects', () => {
  it('says which file is not as asked, and fails where the store does not answer', async (t) => {
    const { s3, store } = await scene(t);
    const small = BYTES.subarray(0, 1000);
    s3.bytes = small;
    const asked = { fileName: 'file', size: 1000 };
    const pack = await store.openPack?.([
      { ...asked, version: 'e1' },
      { ...asked, version: 'other' },
    ]);
    const source = pack?.source as Reader;
    const target = memory(2002);
    assert.equal(await source.read(target, 0, never), 2002);
    assert.equal(target[0], 0);
    assert.ok(small.equals(target.subarray(1, 1001)));
    assert.equal(target[1001], 1);
    s3.script.push(...Array(8).fill(BUSY));
    await assert.rejects(source.read(target, 0, never), { code: 'UNAVAILABLE' });
  });
});
