import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { crc32 } from 'node:zlib';
import { TransferError } from '../../../src/base/errors.ts';
import { MAX_PACK_BYTES, MAX_PACK_FILES } from '../../../src/base/limits.ts';
import { KIB } from '../../../src/base/units.ts';
import { StaticWindows } from '../../../src/flow/windows/static-windows.ts';
import type { ServiceContext } from '../../../src/service/context.ts';
import type { RequestFacts } from '../../../src/service/prelude/request-log.ts';
import type { RangeOutlet } from '../../../src/service/range/send-range.ts';
import { servePack } from '../../../src/service/range/serve-pack.ts';
import { LiveUploads } from '../../../src/service/uploads/live-uploads.ts';
import type { PackedFile, ReadPackRequest, StreamFileResponse } from '../../../src/wire/messages.ts';
import { MemoryOutlet } from '../../engine/download/memory-outlet.ts';
import { MemoryStore } from '../../support/stores/memory-store.ts';
import { packBytes, packedFiles } from '../../support/stores/packs.ts';
import { startEngine, textBytes } from '../../support/test-engine.ts';

/** A peer that takes everything, and keeps what it is sent beside runs. */
class Peer extends MemoryOutlet implements RangeOutlet {
  readonly sent: StreamFileResponse[] = [];
  end: (error: TransferError) => void = () => {};

  constructor() {
    super('next turn');
  }

  async send(message: StreamFileResponse): Promise<void> {
    this.sent.push(message);
  }

  onEnd(listener: (error: TransferError) => void): void {
    this.end = listener;
  }
}

async function serve(t: TestContext, contents: Record<string, string>) {
  const engine = await startEngine(t);
  const store = new MemoryStore();
  for (const [name, content] of Object.entries(contents)) store.put(name, Buffer.from(content));
  const files = await packedFiles(store, Object.keys(contents));
  const context: ServiceContext = {
    store,
    engine,
    counters: engine.counters,
    uploads: new LiveUploads(store),
    zeroCopy: true,
    directReads: true,
    draining: new AbortController().signal,
    uploadWindows: new StaticWindows(512 * KIB),
    chunk: { size: 16 * KIB, maxSize: 32 * KIB },
    compression: { mode: 'auto', minSize: 0 },
    stallTimeoutMs: 60_000,
    stallLingerMs: 60_000,
  };
  async function ask(fields: Partial<ReadPackRequest> = {}) {
    const peer = new Peer();
    const facts: RequestFacts = {};
    const request: ReadPackRequest = {
      files,
      start: 0,
      chunkSize: 0,
      wantChecksums: false,
      compression: 'COMPRESSION_UNSPECIFIED',
      acceptedCodecs: [],
      ...fields,
    };
    await servePack(context, request, peer, facts);
    assert.equal(store.inUse, 0);
    return { peer, facts };
  }
  return { ask, context, files };
}

const CONTENTS = { 'a/one': 'the first', empty: '', two: 'a second' };
const BYTES = packBytes(Object.values(CONTENTS));

describe('a request for a pack', () => {
  it('gets its bytes, with offsets, and nothing else', async (t) => {
    const { ask } = await serve(t, CONTENTS);
    const { facts, peer } = await ask({ chunkSize: 8 });
    assert.deepEqual(peer.received, BYTES);
    assert.deepEqual(
      peer.messages.map(({ offset, rawSize }) => [offset, rawSize]),
      [
        [0, 8],
        [8, 8],
        [16, 4],
      ],
    );
    assert.deepEqual(peer.sent, []);
    const { moving: _, ...told } = facts;
    assert.deepEqual(told, { files: 3, start: 0, rawBytes: BYTES.length, wireBytes: peer.wireBytes });
  });

  it('gets a checksum with each chunk and that of the whole, when it wants them', async (t) => {
    const { ask } = await serve(t, CONTENTS);
    const { peer } = await ask({ wantChecksums: true, start: 12 });
    const bytes = BYTES.subarray(12);
    assert.deepEqual(peer.received, bytes);
    assert.equal(peer.messages[0]?.crc32, crc32(bytes));
    assert.deepEqual(peer.sent[0]?.summary, { offset: 12, size: bytes.length, crc32: crc32(bytes) });
    assert.equal(peer.sent.length, 1);
  });

  it('gets a byte 1 and zeros for what is not as asked', async (t) => {
    const { ask, files } = await serve(t, CONTENTS);
    const [one, empty, two] = files as [PackedFile, PackedFile, PackedFile];
    const wrong: PackedFile[] = [
      { ...one, version: 'another' },
      { ...empty, fileName: '../out' },
      { ...two, fileName: 'none' },
      two,
    ];
    assert.deepEqual((await ask({ files: wrong })).peer.received, packBytes([9, 0, 8, 'a second']));
  });

  it('gets it compressed where it can decompress and any file may get smaller', async (t) => {
    const text = textBytes(60 * KIB).toString();
    const { ask, files } = await serve(t, { 'a.jpg': text, 'b.jpg': text, 'c.txt': text });
    const isSmaller = async (fields: Partial<ReadPackRequest>) => {
      const { peer } = await ask(fields);
      const asked = (fields.files ?? files).length;
      assert.ok(peer.received.equals(packBytes(Array<string>(asked).fill(text))));
      return peer.messages.some(({ compressed }) => compressed);
    };
    const images = files.slice(0, 2);
    assert.equal(await isSmaller({}), false);
    assert.equal(await isSmaller({ acceptedCodecs: ['CODEC_GZIP'] }), true);
    assert.equal(await isSmaller({ acceptedCodecs: ['CODEC_GZIP'], files: images }), false);
    const always = { acceptedCodecs: ['CODEC_GZIP' as const], compression: 'COMPRESSION_ALWAYS' as const };
    assert.equal(await isSmaller({ ...always, files: images }), true);
    assert.equal(await isSmaller({ ...always, compression: 'COMPRESSION_NEVER' }), false);
  });

  it('ends when its peer does, and leaves nothing open', async (t) => {
    const { context, files } = await serve(t, CONTENTS);
    const peer = new Peer();
    peer.draining = 'by hand';
    const request = {
      files,
      start: 0,
      chunkSize: 0,
      wantChecksums: false,
      compression: 0,
      acceptedCodecs: [],
    };
    const served = servePack(context, request, peer, {});
    const listened = peer.onEnd.bind(peer);
    const error = new TransferError('CANCELLED', 'the peer is gone');
    peer.onEnd = (listener) => {
      listened(listener);
      listener(error);
    };
    await assert.rejects(served, error);
    assert.equal(context.engine.stats().transfers, 0);
  });
});

describe('a request for a pack is refused', () => {
  const refused: [string, (file: PackedFile) => Partial<ReadPackRequest>, RegExp][] = [
    ['without files', () => ({ files: [] }), /a pack of 0 files/],
    ['of too many files', (file) => ({ files: Array(MAX_PACK_FILES + 1).fill(file) }), /ask for 1 to 256/],
    ['of a negative size', (file) => ({ files: [{ ...file, size: -1 }] }), /size -1/],
    ['of a size that no number holds', (file) => ({ files: [{ ...file, size: 2 ** 60 }] }), /size/],
    [
      'of too many bytes',
      (file) => ({ files: [file, { ...file, size: MAX_PACK_BYTES }] }),
      /large files by StreamFile/,
    ],
    ['with a negative start', () => ({ start: -1 }), /start is negative/],
    ['with a negative chunk size', () => ({ chunkSize: -1 }), /chunk_size is negative/],
  ];
  for (const [title, fieldsOf, message] of refused) {
    it(`${title}, with INVALID_ARGUMENT`, async (t) => {
      const { ask, files } = await serve(t, CONTENTS);
      await assert.rejects(ask(fieldsOf(files[0] as PackedFile)), { code: 'INVALID_ARGUMENT', message });
    });
  }

  it('with a start behind its end, with OUT_OF_RANGE', async (t) => {
    const { ask } = await serve(t, CONTENTS);
    assert.deepEqual((await ask({ start: BYTES.length })).peer.received, Buffer.alloc(0));
    await assert.rejects(ask({ start: BYTES.length + 1 }), { code: 'OUT_OF_RANGE' });
  });

  it('but not of as many files and bytes as there may be', async (t) => {
    const { ask, files } = await serve(t, CONTENTS);
    const most = Array<PackedFile>(MAX_PACK_FILES).fill(files[0] as PackedFile);
    assert.equal((await ask({ files: most })).peer.received.length, MAX_PACK_FILES * 10);
    const { peer } = await ask({ files: [{ ...(files[0] as PackedFile), size: MAX_PACK_BYTES }] });
    assert.equal(peer.received.length, 1 + MAX_PACK_BYTES);
  });
});
