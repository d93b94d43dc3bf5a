import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { crc32, gzipSync } from 'node:zlib';
import type { CodecName, Coding } from '../../../src/base/coding.ts';
import { TransferError } from '../../../src/base/errors.ts';
import { codecInContract, encodeSync, RUNTIME_CODECS } from '../../../src/wire/codec.ts';
import { CODINGS_HERE } from '../../support/codecs.ts';
import { Random, seedOf } from '../../support/seed.ts';
import type { Step } from '../../support/stores/memory-store.ts';
import type { MemoryUpload } from '../../support/stores/memory-upload.ts';
import { mixedBytes, noiseBytes, type Scope, textBytes } from '../../support/test-engine.ts';
import { until, within } from '../../support/until.ts';
import {
  framedMessage,
  MAX_CHUNK_BYTES,
  type SentMessage,
  type SentUpload,
  type ServiceOptions,
  UploadService,
} from '../upload-service.ts';

const content = mixedBytes(400_000, 30_000);

/** `[start, end)` of the content in chunks, the first with its offset. */
function chunksOf(start: number, end: number, chunkBytes = 50_000): SentMessage[] {
  const messages: SentMessage[] = [];
  for (let at = start; at < end; at += chunkBytes) {
    const chunk = content.subarray(at, Math.min(end, at + chunkBytes));
    messages.push({ chunk, crc32: crc32(chunk), ...(at === start ? { offset: at } : {}) });
  }
  return messages;
}

/** `[0, size)` of the content in chunks of any size, some compressed, with what a sender may leave out or not. */
function anyChunks(random: Random, size: number): SentMessage[] {
  const messages: SentMessage[] = [];
  for (let at = 0; at < size; ) {
    const raw = content.subarray(at, Math.min(size, at + random.between(1, 40_000)));
    messages.push({
      ...(random.next() < 0.5 ? compressed(raw, random.pick(CODINGS_HERE)) : { chunk: raw }),
      ...(random.next() < 0.5 ? { crc32: crc32(raw) } : {}),
      ...(random.next() < 0.5 ? { offset: at } : {}),
    });
    at += raw.length;
  }
  return messages;
}

function compressed(raw: Buffer, coding: Coding): SentMessage {
  const codec = coding.codec as CodecName;
  // Of gzip nothing is said, as by those who know nothing else.
  const said = codec === 'gzip' ? {} : { codec: codecInContract(codec) };
  return { chunk: encodeSync(raw, coding), compressed: true, rawSize: raw.length, ...said };
}

/** The first of the messages names the upload as well. */
function to(upload: MemoryUpload, messages: readonly SentMessage[]): SentMessage[] {
  const [first = {}, ...others] = messages;
  return [{ ...first, uploadId: upload.id }, ...others];
}

async function begun(service: UploadService, size?: number): Promise<MemoryUpload> {
  const expected = size === undefined ? {} : { size };
  return await service.store.start({ name: 'a/b', expected, condition: { kind: 'any' } });
}

/** Waits for the only upload of the service. */
async function onlyUpload({ store }: UploadService): Promise<MemoryUpload> {
  await until('an upload', () => store.uploads.size === 1);
  return [...store.uploads.values()][0] as MemoryUpload;
}

function assertFile(service: UploadService, bytes: Buffer, name = 'a/b'): void {
  assert.ok(service.store.content(name)?.equals(bytes), 'the file is what was sent');
}

/** The suite, with uploads whose bytes workers write by descriptors or their store writes itself. */
export async function testUploads(byDescriptor: boolean): Promise<void> {
  const startService = (scope: Scope, options: ServiceOptions = {}) =>
    UploadService.start(scope, { byDescriptor, ...options });
  /** For tests that need none of their own. */
  const shared = await startService({ after });

  for (const direct of [true, false]) {
    const read = direct ? 'read directly' : 'read through grpc-js';

    describe(`UploadFile, ${read},`, () => {
      it('makes a file in one call, and names the upload at once', async (t) => {
        const service = await startService(t, { direct });
        const { call, end, header } = service.open();
        call.write({ start: { fileName: 'a/b' } });
        assert.deepEqual((await within('the header', header)).get('sluice-upload-id'), ['upload-1']);
        for (const message of chunksOf(0, content.length)) call.write(message);
        call.write({ finish: true, expected: { size: content.length, crc32: crc32(content) } });
        call.end();
        const { status, response } = await within('the response', end);
        assert.equal(status, 'OK');
        assert.deepEqual(
          { ...response, file: { ...response?.file } },
          {
            uploadId: 'upload-1',
            committedSize: String(content.length),
            file: {
              name: 'a/b',
              size: String(content.length),
              version: 'v-upload-1',
              modifiedMs: '1000000000000',
              contentType: '',
            },
          },
        );
        assertFile(service, content);
        await service.untilIdle();
      });

      it('makes a file in one message, and an empty one', async (t) => {
        const service = await startService(t, { direct });
        const chunk = Buffer.from('all of it');
        assert.equal(
          (await service.send([{ start: { fileName: 'one' }, chunk, finish: true }])).status,
          'OK',
        );
        assertFile(service, chunk, 'one');
        for (const expected of [undefined, { size: 0 }]) {
          const start = { fileName: 'empty', overwrite: 'OVERWRITE_ALWAYS', ...(expected && { expected }) };
          assert.equal((await service.send([{ start, finish: true }])).status, 'OK');
          assertFile(service, Buffer.alloc(0), 'empty');
        }
        await service.untilIdle();
      });

      it('takes any chunks, compressed or not, of many uploads at once', async (t) => {
        const random = new Random(seedOf(t));
        const service = await startService(t, { direct });
        const uploads = Array.from({ length: 12 }, async (_, i) => {
          const size = random.between(1, content.length);
          const messages: SentMessage[] = [{ start: { fileName: `file ${i}` } }, ...anyChunks(random, size)];
          messages.push({ finish: true, expected: { crc32: crc32(content.subarray(0, size)) } });
          const { status, details } = await service.send(messages);
          assert.equal(status, 'OK', details);
          assertFile(service, content.subarray(0, size), `file ${i}`);
        });
        await within('all of them', Promise.all(uploads));
        await service.untilIdle();
      });

      it('goes on where a call before it ended, which completed nothing', async (t) => {
        const service = await startService(t, { direct });
        const upload = await begun(service);
        const first = await service.send(to(upload, chunksOf(0, 120_000)));
        assert.deepEqual(
          [first.status, first.response?.committedSize, first.response?.file],
          ['OK', '120000', null],
        );
        assert.equal(service.store.fileNames.length, 0);
        // Without an offset: where the committed bytes end.
        const [next, ...others] = chunksOf(120_000, content.length);
        const { offset: _, ...unplaced } = next as SentMessage;
        const second = await service.send(to(upload, [unplaced, ...others, { finish: true }]));
        assert.equal(second.status, 'OK');
        assertFile(service, content);
        await service.untilIdle();
      });

      it('keeps and makes durable what it got when the client cancels', async (t) => {
        const service = await startService(t, { direct });
        const upload = await begun(service);
        const { call } = service.open();
        for (const message of to(upload, chunksOf(0, 300_000))) call.write(message);
        await until('the first bytes are written', () => upload.reported.some(({ start }) => start === 0));
        call.cancel();
        await service.untilIdle();
        const { committedSize } = upload.state();
        assert.ok(committedSize > 0);
        assert.ok(upload.bytes.subarray(0, committedSize).equals(content.subarray(0, committedSize)));
      });

      it('ends in every phase with its client, and holds nothing then', async (t) => {
        const steps: Step[] = ['start', 'openWriter', 'sync', 'finish'];
        for (const step of steps) {
          const service = await startService(t, { direct });
          const release = service.store.hold(step);
          const { call } = service.open();
          call.write({ start: { fileName: 'a' }, chunk: content.subarray(0, 10) });
          call.write({ chunk: content.subarray(10, 20), finish: step === 'finish' });
          call.end();
          await until(`the call waits at ${step}`, () => service.store.isHeld(step));
          call.cancel();
          await within('the call is over', service.prelude.noneUnderWay());
          release();
          const upload = await onlyUpload(service);
          // One that was cancelled before its upload began opens no writer.
          await until('what was held goes on', () => step === 'start' || upload.openings === 1);
          await service.untilIdle();
        }
      });
    });
  }

  describe('the offsets of chunks', () => {
    interface Case {
      what: string;
      /** Half-open ranges of the content, one for each chunk. */
      ranges: [number, number][];
      size?: number;
      /** Committed before: `[0, before)`. */
      before?: number;
      outcome: 'OK' | [code: string, details: RegExp];
      written: [number, number][];
    }
    const cases: Case[] = [
      {
        what: 'one behind the other',
        ranges: [
          [0, 100],
          [100, 200],
        ],
        outcome: 'OK',
        written: [[0, 200]],
      },
      {
        what: 'that overlap',
        ranges: [
          [0, 100],
          [50, 200],
          [0, 300],
        ],
        outcome: 'OK',
        written: [[0, 300]],
      },
      {
        what: 'that repeat',
        ranges: [
          [0, 100],
          [0, 100],
          [20, 30],
          [100, 110],
        ],
        outcome: 'OK',
        written: [[0, 110]],
      },
      {
        what: 'over what is there',
        before: 100,
        ranges: [
          [0, 60],
          [60, 150],
        ],
        outcome: 'OK',
        written: [[0, 150]],
      },
      {
        what: 'from within what is there',
        before: 100,
        ranges: [[50, 200]],
        outcome: 'OK',
        written: [[0, 200]],
      },
      {
        what: 'with a gap',
        ranges: [
          [0, 100],
          [101, 200],
        ],
        outcome: ['GAP', /101.*100/],
        written: [[0, 100]],
      },
      {
        what: 'that begin behind a gap, in a file of unknown size',
        before: 100,
        ranges: [[150, 200]],
        outcome: ['GAP', /150.*100/],
        written: [[0, 100]],
      },
      {
        what: 'that begin anywhere in a file of known size',
        size: 1000,
        before: 100,
        ranges: [
          [150, 200],
          [200, 300],
        ],
        outcome: 'OK',
        written: [
          [0, 100],
          [150, 300],
        ],
      },
      {
        what: 'that go back behind where the call began, over missing bytes',
        size: 1000,
        ranges: [
          [150, 200],
          [100, 200],
        ],
        outcome: ['INVALID_ARGUMENT', /100.*150/],
        written: [[150, 200]],
      },
      {
        what: 'that go back over bytes that are there',
        size: 1000,
        before: 100,
        ranges: [
          [100, 200],
          [50, 250],
        ],
        outcome: 'OK',
        written: [[0, 250]],
      },
      {
        what: 'beyond the declared size',
        size: 1000,
        ranges: [[1001, 1100]],
        outcome: ['OUT_OF_RANGE', /1001.*1000/],
        written: [],
      },
      {
        what: 'over the declared end',
        size: 150,
        ranges: [
          [0, 100],
          [100, 200],
        ],
        outcome: ['CONTENT_MISMATCH', /./],
        written: [[0, 100]],
      },
    ];
    for (const { what, ranges, size, before = 0, outcome, written } of cases) {
      it(`${what} ${outcome === 'OK' ? 'are taken' : `are ${outcome[0]}`}`, async () => {
        const service = shared;
        const upload = await begun(service, size);
        if (before > 0) await service.send(to(upload, chunksOf(0, before)));
        const messages = ranges.map(([start, end]) => ({
          chunk: content.subarray(start, end),
          offset: start,
        }));
        const { status, code, details } = await service.send(to(upload, messages));
        await service.untilIdle();
        if (outcome === 'OK') {
          assert.equal(status, 'OK', details);
          const parts = upload.state().parts.map(({ start, end }) => [start, end]);
          assert.deepEqual(parts, written);
        } else {
          assert.equal(code, outcome[0]);
          assert.match(details, outcome[1]);
        }
        const expected = Buffer.alloc(upload.bytes.length);
        for (const { start, end } of upload.reported) content.copy(expected, start, start, end);
        assert.ok(upload.bytes.equals(expected), 'nothing else is in the file');
        const bytes = upload.reported.reduce((sum, { start, end }) => sum + end - start, 0);
        const distinct = written.reduce((sum, [start, end]) => sum + end - start, 0);
        assert.ok(bytes <= distinct, 'nothing was written twice');
      });
    }
  });

  /** What no server, and this one, has not named. */
  const UNACCEPTED = RUNTIME_CODECS.includes('zstd') ? [99] : [99, 'CODEC_ZSTD'];

  describe('a bad call', () => {
    const start = { fileName: 'a' };
    const chunk = content.subarray(0, 100);
    const sha256 = createHash('sha256').update(chunk).digest();
    const calls: [string, SentMessage[], string][] = [
      ['without a message', [], 'INVALID_ARGUMENT'],
      ['that names no upload', [{ chunk }], 'UPLOAD_NOT_FOUND'],
      ['for an upload nobody knows', [{ uploadId: 'what' }], 'UPLOAD_NOT_FOUND'],
      ['with an upload and a start', [{ start, uploadId: 'what' }], 'INVALID_ARGUMENT'],
      ['that goes on behind finish', [{ start, finish: true }, {}], 'INVALID_ARGUMENT'],
      ['with finish twice', [{ start, finish: true }, { finish: true }], 'INVALID_ARGUMENT'],
      ['with an offset below zero', [{ start, chunk, offset: -1 }], 'INVALID_ARGUMENT'],
      ['with an offset above 2^53', [{ start, chunk, offset: 2 ** 53 }], 'INVALID_ARGUMENT'],
      ['with another raw size', [{ start, chunk, rawSize: 99 }], 'INVALID_ARGUMENT'],
      [
        'compressed without a raw size',
        [{ start, chunk: gzipSync(chunk), compressed: true }],
        'INVALID_ARGUMENT',
      ],
      [
        'with a raw size below zero',
        [{ start, chunk: gzipSync(chunk), compressed: true, rawSize: -1 }],
        'INVALID_ARGUMENT',
      ],
      [
        'with a raw size above the limit',
        [{ start, chunk: gzipSync(chunk), compressed: true, rawSize: MAX_CHUNK_BYTES + 1 }],
        'INVALID_ARGUMENT',
      ],
      [
        'with a member of another size',
        [{ start, chunk: gzipSync(chunk), compressed: true, rawSize: 99 }],
        'CHECKSUM_MISMATCH',
      ],
      ['with no gzip member', [{ start, chunk, compressed: true, rawSize: 100 }], 'CHECKSUM_MISMATCH'],
      [
        'with another codec than it says',
        [{ start, chunk: gzipSync(chunk), compressed: true, rawSize: 100, codec: 'CODEC_BROTLI' }],
        'CHECKSUM_MISMATCH',
      ],
      ...UNACCEPTED.map((codec): [string, SentMessage[], string] => [
        `compressed with ${codec}, which was not accepted`,
        [{ start, chunk, compressed: true, rawSize: 100, codec }],
        'INVALID_ARGUMENT',
      ]),
      ['with a wrong checksum', [{ start, chunk, crc32: 1 }], 'CHECKSUM_MISMATCH'],
      [
        'with a chunk above the limit',
        [{ start, chunk: content.subarray(0, MAX_CHUNK_BYTES + 1) }],
        'RESOURCE_EXHAUSTED',
      ],
      [
        'with half a SHA-256',
        [{ start: { ...start, expected: { sha256: sha256.subarray(16) } } }],
        'INVALID_ARGUMENT',
      ],
      [
        'that finishes with half a SHA-256',
        [
          { start, chunk },
          { finish: true, expected: { sha256: sha256.subarray(16) } },
        ],
        'INVALID_ARGUMENT',
      ],
      ['with a version and no wish for it', [{ start: { ...start, ifMatch: 'v' } }], 'INVALID_ARGUMENT'],
      ['with an unknown wish', [{ start: { ...start, overwrite: 77 } }], 'INVALID_ARGUMENT'],
      ['beyond the limit of a file', [{ start, chunk: content.subarray(0, 1001) }], 'TOO_LARGE'],
      [
        'finished with another size',
        [{ start, chunk, finish: true, expected: { size: 99 } }],
        'CONTENT_MISMATCH',
      ],
      [
        'finished with another checksum',
        [{ start, chunk, finish: true, expected: { crc32: 99 } }],
        'CONTENT_MISMATCH',
      ],
    ];
    for (const [what, messages, code] of calls) {
      it(`(${what}) is ${code}`, async () => {
        const service = shared;
        service.store.maxBytes = 1000;
        assert.equal((await within('the end', service.send(messages))).code, code);
        await service.untilIdle();
        assert.equal(service.store.fileNames.length, 0);
      });
    }

    for (const codec of UNACCEPTED) {
      it(`compressed with ${codec} hears what it may use`, async () => {
        const chunk = { chunk: Buffer.alloc(10), compressed: true, rawSize: 100, codec };
        const { details } = await shared.send([{ start, ...chunk }]);
        assert.match(details, new RegExp(`with ${codec}; this server takes ${RUNTIME_CODECS.join(', ')}`));
      });
    }

    it('above the limit of calls is RESOURCE_EXHAUSTED, and the others go on', async (t) => {
      const service = await startService(t, { uploadStreams: 1 });
      const { call, end } = service.open();
      call.write({ start, chunk });
      await onlyUpload(service);
      assert.equal((await service.send([{ start, chunk }])).code, 'RESOURCE_EXHAUSTED');
      call.write({ finish: true });
      call.end();
      assert.equal((await end).status, 'OK');
      await service.untilIdle();
      assert.equal((await service.send([{ start: { fileName: 'b' }, chunk }])).status, 'OK');
    });
  });

  describe('several streams', () => {
    it('write parts of one file at once', async (t) => {
      const service = await startService(t);
      const upload = await begun(service, content.length);
      const cuts = [0, 90_000, 180_000, 300_000, content.length];
      const ends = await Promise.all(
        cuts.slice(1).map((end, i) => service.send(to(upload, chunksOf(cuts[i] as number, end, 7_000)))),
      );
      assert.deepEqual(new Set(ends.map(({ status }) => status)), new Set(['OK']));
      assert.equal((await service.send([{ uploadId: upload.id, finish: true }])).status, 'OK');
      assertFile(service, content);
      await service.untilIdle();
    });

    /** A stream whose first bytes are handed in and not written yet: its slab is not full. */
    async function olderStream(
      service: UploadService,
      upload: MemoryUpload,
      bytes: Buffer,
    ): Promise<SentUpload> {
      const sent = service.open();
      sent.call.write({ uploadId: upload.id, chunk: bytes.subarray(0, 1000) });
      await until('the first chunk is written', () => upload.reported.length === 1);
      sent.call.write({ chunk: bytes.subarray(1000, 3000) });
      await until('a slab', () => service.engine.slabs.held > 0);
      return sent;
    }

    it('that meet: the newer one wins, the older one is TAKEN_OVER, and its bytes are nowhere behind', async (t) => {
      const service = await startService(t);
      const upload = await begun(service);
      const others = noiseBytes(10_000);
      const older = await olderStream(service, upload, others);
      const newer = service.open();
      newer.call.write({ uploadId: upload.id, chunk: content.subarray(1000, 2000), offset: 1000 });
      assert.deepEqual((await within('the older one ends', older.end)).code, 'TAKEN_OVER');
      newer.call.write({ chunk: content.subarray(2000, 5000) });
      newer.call.end();
      assert.equal((await within('the newer one', newer.end)).status, 'OK');
      assert.ok(upload.bytes.equals(Buffer.concat([others.subarray(0, 1000), content.subarray(1000, 5000)])));
      await service.untilIdle();
    });

    it('that only touch go on both, until the older one comes again', async (t) => {
      const service = await startService(t);
      const upload = await begun(service);
      const older = service.open();
      older.call.write({ uploadId: upload.id, chunk: content.subarray(0, 1000) });
      await until('the first chunk is written', () => upload.reported.length === 1);
      const newer = service.open();
      newer.call.write({ uploadId: upload.id, chunk: content.subarray(1000, 2000), offset: 1000 });
      newer.call.write({ chunk: content.subarray(2000, 3000) });
      await until('the newer one writes', () => upload.reported.some(({ end }) => end >= 2000));
      older.call.write({ chunk: noiseBytes(5000) });
      assert.equal((await within('the older one ends', older.end)).code, 'TAKEN_OVER');
      newer.call.write({ finish: true, expected: { crc32: crc32(content.subarray(0, 3000)) } });
      newer.call.end();
      assert.equal((await within('the newer one', newer.end)).status, 'OK');
      assertFile(service, content.subarray(0, 3000));
      await service.untilIdle();
    });

    it('that are taken over one by another by a third leave the bytes of the last', async (t) => {
      const service = await startService(t);
      const upload = await begun(service, 300_000);
      const contents = [1, 2, 3].map((fill) => Buffer.alloc(300_000, fill));
      const ends: Promise<{ code: string; status: string }>[] = [];
      for (const bytes of contents) {
        const { call, end } = service.open();
        ends.push(end);
        call.write({ uploadId: upload.id, offset: 0 });
        for (let at = 0; at < bytes.length; at += 20_000)
          call.write({ chunk: bytes.subarray(at, at + 20_000) });
        call.end();
      }
      const last = await within('the last', ends.at(-1) as Promise<{ status: string }>);
      assert.equal(last.status, 'OK');
      for (const { code } of await Promise.all(ends.slice(0, -1)))
        assert.ok(['', 'TAKEN_OVER'].includes(code));
      assert.deepEqual(upload.state().parts, [{ start: 0, end: 300_000 }]);
      // Each byte is of one of them, and no range was written by two.
      const reported = upload.reported.toSorted((a, b) => a.start - b.start);
      let at = 0;
      for (const { start, end } of reported) {
        assert.equal(start, at);
        at = end;
      }
      await service.untilIdle();
    });
  });

  describe('senders that stall in the middle of a chunk', () => {
    it('keep no other from sending, and lose no byte themselves', async (t) => {
      const service = await startService(t);
      const chunk = framedMessage({ chunk: content.subarray(1000, 21_000) });
      const stalled = [1, 2, 3, 4, 5, 6].map((i) => {
        const stream = service.raw();
        stream.write(
          framedMessage({ start: { fileName: `stalled ${i}` }, chunk: content.subarray(0, 1000) }),
        );
        return stream;
      });
      await until(
        'first chunks of all',
        () =>
          service.store.uploads.size === 6 &&
          [...service.store.uploads.values()].every((u) => u.reported.length === 1),
      );
      for (const [i, stream] of stalled.entries()) stream.write(chunk.subarray(0, 500 + 3000 * i));
      await until('all slabs that may be held', () => service.engine.slabs.held === 3);
      const healthy = [{ start: { fileName: 'a/b' } }, ...chunksOf(0, content.length), { finish: true }];
      assert.equal((await within('the healthy one', service.send(healthy))).status, 'OK');
      assertFile(service, content);
      for (const [i, stream] of stalled.entries()) {
        stream.write(chunk.subarray(500 + 3000 * i));
        stream.end(framedMessage({ finish: true, expected: { crc32: crc32(content.subarray(0, 21_000)) } }));
      }
      await service.untilIdle();
      for (let i = 1; i <= 6; i++) assertFile(service, content.subarray(0, 21_000), `stalled ${i}`);
    });
  });

  describe('an engine that stops', () => {
    it('ends uploads with UNAVAILABLE, and what they wrote is committed', async (t) => {
      const service = await startService(t);
      const { call, end } = service.open();
      for (const message of [{ start: { fileName: 'a' } }, ...chunksOf(0, 200_000)]) call.write(message);
      const upload = await onlyUpload(service);
      // Two threads write: what is behind the first bytes may be there before them.
      await until('the first bytes are written', () => upload.reported.some(({ start }) => start === 0));
      await service.engine.stop();
      assert.equal((await within('the end', end)).code, 'UNAVAILABLE');
      await service.untilIdle();
      assert.ok(upload.state().committedSize > 0);
    });
  });

  describe('an upload that the store gives up', () => {
    for (const [when, messages] of [
      ['while chunks arrive', [{ chunk: content.subarray(0, 1000) }]],
      ['before the first chunk', []],
    ] as [string, SentMessage[]][]) {
      it(`${when} ends its streams with that error`, async (t) => {
        const service = await startService(t);
        const upload = await begun(service);
        const { call, end } = service.open();
        call.write({ uploadId: upload.id });
        for (const message of messages) call.write(message);
        await until('it is open', () => upload.writers > 0 && upload.reported.length === messages.length);
        upload.fail(new TransferError('WRITE_FAILED', 'the disk is gone'));
        assert.equal((await within('the end', end)).code, 'WRITE_FAILED');
        await service.untilIdle();
      });
    }
  });

  describe('a stream that has ended', () => {
    /** A raw stream in the middle of a chunk that arrives in a slab; the rest of it. */
    async function midChunk(service: UploadService, name: string) {
      const stream = service.raw();
      stream.write(framedMessage({ start: { fileName: name }, chunk: Buffer.alloc(1000, 1) }));
      const id = `upload-${service.store.uploads.size + 1}`;
      await until('the first chunk is written', () => service.store.uploads.get(id)?.reported.length === 1);
      const bytes = framedMessage({ chunk: Buffer.alloc(20_000, 0xbb) });
      const held = service.engine.slabs.held;
      stream.write(bytes.subarray(0, 2000));
      await until('a slab with half a chunk', () => service.engine.slabs.held > held);
      return { stream, upload: service.store.uploads.get(id) as MemoryUpload, rest: bytes.subarray(2000) };
    }

    it('writes no byte into a slab that another has by then', async (t) => {
      // One slab to receive into.
      const service = await startService(t, { engine: { slabCount: 4 } });
      const ended = await midChunk(service, 'ended');
      // It stays in its end for as long as the sync takes.
      const release = service.store.hold('sync');
      ended.upload.fail(new TransferError('WRITE_FAILED', 'the disk is gone'));
      const text = textBytes(30_000);
      const { call, end } = service.open();
      call.write({ start: { fileName: 'a/b' }, chunk: text.subarray(0, 1000) });
      await until(
        'the first chunk is written',
        () => service.store.uploads.get('upload-2')?.reported.length === 1,
      );
      call.write({ chunk: text.subarray(1000) });
      await until('the slab has changed hands', () => service.engine.slabs.held === 1);
      const before = service.sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
      ended.stream.write(ended.rest);
      await until(
        'the rest has come',
        () =>
          service.sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0) >= before + ended.rest.length,
      );
      release();
      call.write({ finish: true, expected: { crc32: crc32(text) } });
      call.end();
      const { status, details } = await within('the response', end);
      assert.equal(status, 'OK', details);
      assertFile(service, text);
      ended.stream.close();
      await service.untilIdle();
    });
  });

  describe('the SHA-256 of a first message', () => {
    it('is the one that was sent, whatever comes behind it', async (t) => {
      const service = await startService(t);
      const sha256 = createHash('sha256').update(content).digest();
      const messages = chunksOf(0, content.length).map((message) => ({
        ...message,
        uploadId: 'ignored here, and as long as what stood there before it, or longer',
      }));
      const { status, details } = await service.send([
        { start: { fileName: 'a/b', expected: { size: content.length, sha256 } } },
        ...messages,
        { finish: true },
      ]);
      assert.equal(status, 'OK', details);
      assertFile(service, content);
    });
  });
}
