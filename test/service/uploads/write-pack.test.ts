/** Messages with a pack, to each kind of store; workers do the work. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import type { CodecName } from '../../../src/base/coding.ts';
import { TransferError } from '../../../src/base/errors.ts';
import { KIB } from '../../../src/base/units.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import type { Lease } from '../../../src/engine/slabs/slab-pool.ts';
import { StaticWindows } from '../../../src/flow/windows/static-windows.ts';
import type { ServiceContext } from '../../../src/service/context.ts';
import { LiveUploads } from '../../../src/service/uploads/live-uploads.ts';
import { writePack } from '../../../src/service/uploads/write-pack.ts';
import { openLocalStore } from '../../../src/storage/local/local-store.ts';
import type { UploadStore } from '../../../src/storage/upload-store.ts';
import { codecInContract, encodeSync } from '../../../src/wire/codec.ts';
import type { WritePackRequest, WrittenFile } from '../../../src/wire/messages.ts';
import { LAX_OPTIONS } from '../../storage/local/uploads/scratch-uploads.ts';
import { CODINGS_HERE } from '../../support/codecs.ts';
import { MemoryStore } from '../../support/stores/memory-store.ts';
import { noiseBytes, startEngine, textBytes } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';

const MAX_BYTES = 64 * KIB;

interface Scene {
  readonly engine: Engine;
  readonly context: ServiceContext;
  /** What is in the file `name`. */
  content(name: string): Buffer | undefined;
}

interface Kind {
  readonly title: string;
  open(): Promise<{ uploads: UploadStore; content(name: string): Buffer | undefined }>;
}

const KINDS: readonly Kind[] = [
  {
    title: 'a directory',
    open: async () => {
      const root = mkdtempSync(join(tmpdir(), 'sluice-packs-'));
      const store = await openLocalStore(root);
      const uploads = await store.openUploads(LAX_OPTIONS);
      after(async () => {
        await uploads.close();
        await store.close();
        rmSync(root, { recursive: true });
      });
      return { uploads, content: (name) => readFileSync(join(root, name)) };
    },
  },
  {
    title: 'a store in memory',
    open: async () => {
      const store = new MemoryStore({ latencyMs: 1 });
      return { uploads: store, content: (name) => store.content(name) };
    },
  },
];

function fileOf(fileName: string, size: number, fields: Partial<WrittenFile> = {}): WrittenFile {
  return { fileName, size, overwrite: 'OVERWRITE_NEVER', ifMatch: '', ...fields };
}

function requestOf(
  files: readonly WrittenFile[],
  content: Uint8Array,
  fields: Partial<WritePackRequest> = {},
): WritePackRequest {
  const rest = { compressed: false, rawSize: 0, codec: 'CODEC_UNSPECIFIED', crc32: crc32(content) } as const;
  return { files: [...files], content, ...rest, ...fields };
}

for (const { title, open } of KINDS) {
  describe(`a message with a pack, to ${title}`, async () => {
    const engine = await startEngine({ after }, { slabBytes: MAX_BYTES });
    const { uploads, content } = await open();
    const scene: Scene = { engine, content, context: contextOf(engine, uploads) };
    after(() => isIdle(scene.engine));

    it('becomes files, with a version for each', async () => {
      const bytes = noiseBytes(3000);
      const files = [fileOf('a/one', 1000), fileOf('a/empty', 0), fileOf('two', 2000)];
      const { results } = await writePack(scene.context, requestOf(files, bytes), '127.0.0.1');
      for (const { version, failure } of results) {
        assert.equal(failure, null);
        assert.notEqual(version, '');
      }
      assert.ok(content('a/one')?.equals(bytes.subarray(0, 1000)));
      assert.equal(content('a/empty')?.length, 0);
      assert.ok(content('two')?.equals(bytes.subarray(1000)));
    });

    for (const coding of CODINGS_HERE) {
      const codec = coding.codec as CodecName;
      it(`may be compressed with ${codec} (${JSON.stringify(coding)})`, async () => {
        const name = `by-${JSON.stringify(coding).replaceAll(/\W/g, '')}`;
        const bytes = textBytes(MAX_BYTES);
        const fields = {
          compressed: true,
          rawSize: bytes.length,
          codec: codecInContract(codec),
          crc32: crc32(bytes),
        };
        const request = requestOf(
          [fileOf(name, 1), fileOf(`${name}-rest`, MAX_BYTES - 1)],
          encodeSync(bytes, coding),
          fields,
        );
        const { results } = await writePack(scene.context, request, null);
        assert.deepEqual(
          results.map(({ failure }) => failure),
          [null, null],
        );
        assert.ok(content(`${name}-rest`)?.equals(bytes.subarray(1)));
      });
    }

    it('says for each file what a call of its own would say', async () => {
      const files = [fileOf('failures/good', 1), fileOf('two', 1), fileOf('../out', 1)];
      const { results } = await writePack(scene.context, requestOf(files, Buffer.from('123')), null);
      assert.equal(results[0]?.failure, null);
      const failures = results.slice(1).map(({ failure }) => [failure?.code, failure?.sluiceCode]);
      assert.deepEqual(failures, [
        [6, 'ALREADY_EXISTS'],
        [3, 'INVALID_NAME'],
      ]);
      const pinned = fileOf('two', 1, { overwrite: 'OVERWRITE_VERSION', ifMatch: 'another' });
      const other = await writePack(scene.context, requestOf([pinned], Buffer.from('1')), null);
      assert.equal(other.results[0]?.failure?.sluiceCode, 'VERSION_MISMATCH');
      const version = other.results[0]?.failure?.version ?? '';
      const again = requestOf([{ ...pinned, ifMatch: version }], Buffer.from('1'));
      assert.equal((await writePack(scene.context, again, null)).results[0]?.failure, null);
    });

    it('is refused as a whole when it is damaged, and writes nothing', async () => {
      const damaged = requestOf([fileOf('damaged', 3)], Buffer.from('abc'), { crc32: 1 });
      await assert.rejects(writePack(scene.context, damaged, null), { code: 'CHECKSUM_MISMATCH' });
      const cut = encodeSync(textBytes(1000), { codec: 'gzip', level: 1 }).subarray(0, -1);
      const fields = { compressed: true, rawSize: 1000, crc32: 0 };
      const request = requestOf([fileOf('damaged', 1000)], cut, fields);
      await assert.rejects(writePack(scene.context, request, null), { code: 'CHECKSUM_MISMATCH' });
      const file = requestOf([fileOf('damaged', 3)], Buffer.from('abc'));
      assert.equal((await writePack(scene.context, file, null)).results[0]?.failure, null);
    });

    it('is refused when it cannot be what it says', async () => {
      const refused: [WritePackRequest, string][] = [
        [requestOf([], Buffer.alloc(0)), 'INVALID_ARGUMENT'],
        [
          requestOf(
            Array.from({ length: 257 }, (_, at) => fileOf(`${at}`, 0)),
            Buffer.alloc(0),
          ),
          'INVALID_ARGUMENT',
        ],
        [requestOf([fileOf('a', 2)], Buffer.from('1')), 'INVALID_ARGUMENT'],
        [requestOf([fileOf('a', -1), fileOf('b', 2)], Buffer.from('1')), 'INVALID_ARGUMENT'],
        [requestOf([fileOf('a', 2 ** 60)], Buffer.from('1')), 'INVALID_ARGUMENT'],
        [requestOf([fileOf('a', 1, { overwrite: 9 })], Buffer.from('1')), 'INVALID_ARGUMENT'],
        [requestOf([fileOf('a', 1, { ifMatch: 'x' })], Buffer.from('1')), 'INVALID_ARGUMENT'],
        [requestOf([fileOf('a', MAX_BYTES + 1)], Buffer.alloc(MAX_BYTES + 1)), 'RESOURCE_EXHAUSTED'],
        [
          requestOf([fileOf('a', MAX_BYTES + 1)], Buffer.alloc(9), {
            compressed: true,
            rawSize: MAX_BYTES + 1,
          }),
          'INVALID_ARGUMENT',
        ],
        [
          requestOf([fileOf('a', 1)], Buffer.alloc(9), { compressed: true, rawSize: 1, codec: 9 }),
          'INVALID_ARGUMENT',
        ],
      ];
      for (const [request, code] of refused)
        await assert.rejects(writePack(scene.context, request, null), { code });
    });

    it('has one winner among many for a name', async () => {
      const packs = Array.from({ length: 8 }, (_, at) => {
        const files = [fileOf('raced/x', 1), fileOf('raced/y', 1)];
        return writePack(
          scene.context,
          requestOf(at % 2 === 0 ? files : files.reverse(), Buffer.from(`${at}${at}`)),
          null,
        );
      });
      const results = (await Promise.all(packs)).flatMap((response) => response.results);
      assert.equal(results.filter(({ failure }) => failure === null).length, 2);
      assert.equal(content('raced/x')?.length, 1);
    });

    it('waits for a slab while uploads have all that they may have', async () => {
      const leases = takeSlabs(engine);
      let isOver = false;
      const request = requestOf([fileOf('waiting', 1)], Buffer.from('1'));
      const waiting = writePack(scene.context, request, null).finally(() => (isOver = true));
      await until('the pack is there', () => engine.stats().uploads === 1);
      assert.equal(isOver, false);
      for (const lease of leases) engine.slabs.release(lease);
      assert.equal((await waiting).results[0]?.failure, null);
    });
  });
}

it('a server that is read-only takes no pack', async (t) => {
  const engine = await startEngine(t);
  const context = { ...contextOf(engine, new MemoryStore()), uploads: new LiveUploads(null) };
  const request = requestOf([fileOf('a', 1)], Buffer.from('1'));
  await assert.rejects(writePack(context, request, null), { code: 'READ_ONLY' });
  await assert.rejects(writePack(context, request, null), TransferError);
});

it('a pack that waits for a slab ends with the server', async (t) => {
  const engine = await startEngine(t);
  takeSlabs(engine);
  const context = contextOf(engine, new MemoryStore());
  const request = requestOf([fileOf('a', 1)], Buffer.from('1'));
  const refused = assert.rejects(writePack(context, request, null), { code: 'UNAVAILABLE' });
  await until('the pack is there', () => engine.stats().uploads === 1);
  await engine.stop();
  await refused;
});

/** All slabs that uploads may have now. */
function takeSlabs(engine: Engine): Lease[] {
  const leases: Lease[] = [];
  for (;;) {
    const lease = engine.slabs.leaseToReceive(NOBODY);
    if (lease === undefined) break;
    leases.push(lease);
  }
  engine.slabs.forget(NOBODY);
  return leases;
}

const NOBODY = { slabIsFree: () => {} };

function contextOf(engine: Engine, uploads: UploadStore): ServiceContext {
  return {
    store: new MemoryStore(),
    uploads: new LiveUploads(uploads),
    engine,
    counters: engine.counters,
    zeroCopy: true,
    directReads: true,
    draining: new AbortController().signal,
    uploadWindows: new StaticWindows(512 * KIB),
    chunk: { size: MAX_BYTES, maxSize: MAX_BYTES },
    compression: { mode: 'off', minSize: 0 },
    stallTimeoutMs: 60_000,
    stallLingerMs: 60_000,
  };
}

async function isIdle(engine: Engine): Promise<void> {
  await until('nothing is held', () => {
    const { jobsOutstanding, slabs, uploads } = engine.stats();
    return uploads + jobsOutstanding + engine.slabs.held === 0 && slabs.free === slabs.count;
  });
}
