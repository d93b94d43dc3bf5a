import assert from 'node:assert/strict';
import { appendFile, rm } from 'node:fs/promises';
import { after, describe, it, type TestContext } from 'node:test';
import { crc32 } from 'node:zlib';
import { KIB, MIB } from '../../../src/base/units.ts';
import type { RangeRequest } from '../../../src/engine/download/range-request.ts';
import { openPack } from '../../../src/storage/pack-by-opening.ts';
import type { OpenPack, PackedFile, Store } from '../../../src/storage/store.ts';
import { rawBytesOf } from '../../support/decoded-run.ts';
import { MemoryStore } from '../../support/stores/memory-store.ts';
import { packBytes, packedFiles, settled } from '../../support/stores/packs.ts';
import { scratchStore } from '../../support/stores/scratch-store.ts';
import { startEngine, textBytes } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';
import { CreditOutlet, SharedStream } from './credit-outlet.ts';
import { MemoryOutlet } from './memory-outlet.ts';

const scope = { after };
const engine = await startEngine(scope);
const allFree = engine.stats().slabs;

interface Packed {
  store: Store;
  files: PackedFile[];
  /** Puts a file out of the way. */
  remove(name: string): Promise<void>;
  /** Gives a file another version. */
  change(name: string): Promise<void>;
}

/** The same files in each kind of store. */
const STORES: Readonly<
  Record<string, (t: TestContext, contents: Record<string, string>) => Promise<Packed>>
> = {
  'a store whose files workers open': async (t, contents) => {
    const { at, store } = await scratchStore(t, contents);
    const names = Object.keys(contents);
    await settled(...names.map(at));
    return {
      store,
      files: await packedFiles(store, names),
      remove: (name) => rm(at(name)),
      change: (name) => appendFile(at(name), 'more'),
    };
  },
  'a store that opens files itself': async (_t, contents) => {
    const store = new MemoryStore();
    for (const [name, content] of Object.entries(contents)) store.put(name, Buffer.from(content));
    return {
      store,
      files: await packedFiles(store, Object.keys(contents)),
      remove: (name) => store.delete(name, { kind: 'any' }),
      change: async (name) => void store.put(name, Buffer.from('another content')),
    };
  },
};

/** Runs `work` with the pack, which must be closed before its store. */
async function withPack<T>(
  store: Store,
  files: readonly PackedFile[],
  work: (pack: OpenPack) => Promise<T>,
): Promise<T> {
  const pack = await openPack(store, files);
  try {
    return await work(pack);
  } finally {
    await pack.close();
  }
}

function requestOf({ size, source }: OpenPack, wishes: Partial<RangeRequest> = {}): RangeRequest {
  return {
    source,
    start: 0,
    end: size,
    chunkBytes: 16 * KIB,
    details: true,
    checksums: true,
    compression: 'never',
    codecs: ['gzip'],
    ...wishes,
  };
}

const CONTENTS = { 'a/one': 'the first', empty: '', 'a/two': 'a second', last: 'xyz' };

for (const [kind, stored] of Object.entries(STORES)) {
  describe(`a pack of ${kind}`, () => {
    it('is the same in jobs of any size', async (t) => {
      const { files, store } = await stored(t, CONTENTS);
      const wrong = { fileName: 'a/one', size: 5, version: 'another' };
      await withPack(store, [...files.slice(0, 2), wrong, ...files.slice(2)], async (pack) => {
        const bytes = packBytes(['the first', '', 5, 'a second', 'xyz']);
        assert.equal(pack.size, bytes.length);
        for (let jobBytes = 1; jobBytes <= bytes.length; jobBytes++) {
          const outlet = new CreditOutlet(new SharedStream(), jobBytes);
          const run = engine.sendRange(requestOf(pack), outlet).run();
          for (let end = jobBytes; end < bytes.length; end += jobBytes) {
            await until('all that was granted', () => outlet.receivedBytes === end);
            outlet.grant(jobBytes);
          }
          assert.equal((await run).crc32, crc32(bytes));
          assert.deepEqual(outlet.received, bytes);
        }
        assert.deepEqual(engine.stats().slabs, allFree);
      });
    });

    it('is the same from any byte that is not inside of a refused file', async (t) => {
      const { files, store } = await stored(t, CONTENTS);
      const wrong = { fileName: 'a/one', size: 5, version: 'another' };
      const bytes = packBytes([5, ...Object.values(CONTENTS)]);
      for (let start = 0; start <= bytes.length; start++) {
        await withPack(store, [wrong, ...files], async (pack) => {
          const outlet = new MemoryOutlet('next turn');
          const run = engine.sendRange(requestOf(pack, { start }), outlet).run();
          if (start > 0 && start <= 5) {
            await assert.rejects(run, { code: 'FILE_CHANGED', message: /ask again/ });
          } else {
            await run;
            assert.deepEqual(outlet.received, bytes.subarray(start));
          }
        });
      }
      assert.deepEqual(engine.stats().slabs, allFree);
    });

    it('has its own offsets and checksums with each chunk', async (t) => {
      const { files, store } = await stored(t, CONTENTS);
      await withPack(store, files, async (pack) => {
        const outlet = new MemoryOutlet('next turn');
        await engine.sendRange(requestOf(pack, { chunkBytes: 7 }), outlet).run();
        let offset = 0;
        for (const message of outlet.messages) {
          assert.equal(message.offset, offset);
          assert.equal(message.crc32, crc32(rawBytesOf(message)));
          offset += message.rawSize;
        }
        assert.equal(offset, pack.size);
      });
    });

    it('ends with FILE_CHANGED where a file changes of which a part was sent', async (t) => {
      for (const work of ['remove', 'change'] as const) {
        const packed = await stored(t, CONTENTS);
        await withPack(packed.store, packed.files, async (pack) => {
          const outlet = new CreditOutlet(new SharedStream(), 4);
          const run = engine.sendRange(requestOf(pack), outlet).run();
          await until('a part of the first file', () => outlet.receivedBytes === 4);
          await packed[work]('a/one');
          outlet.grant(1000);
          await assert.rejects(run, { code: 'FILE_CHANGED' });
          assert.deepEqual(outlet.received, packBytes(['the first']).subarray(0, 4));
        });
      }
      assert.deepEqual(engine.stats().slabs, allFree);
    });

    it('refuses a file that changes before its turn, and goes on', async (t) => {
      const packed = await stored(t, CONTENTS);
      await withPack(packed.store, packed.files, async (pack) => {
        const outlet = new CreditOutlet(new SharedStream(), 4);
        const run = engine.sendRange(requestOf(pack), outlet).run();
        await until('a part of the first file', () => outlet.receivedBytes === 4);
        await packed.change('a/two');
        // Half of it, then the rest: what its byte said counts for both.
        outlet.grant(12);
        await until('a part of the changed file', () => outlet.receivedBytes === 16);
        outlet.grant(1000);
        await run;
        assert.deepEqual(outlet.received, packBytes(['the first', '', 8, 'xyz']));
      });
    });

    it('gets smaller by every coding, and is the same behind it', async (t) => {
      const contents = Object.fromEntries(
        Array.from({ length: 60 }, (_, i) => [`d${i % 7}/${i}.txt`, textBytes(i * 100).toString()]),
      );
      const { files, store } = await stored(t, contents);
      await withPack(store, files, async (pack) => {
        const bytes = packBytes(Object.values(contents));
        for (const compression of ['auto', 'always'] as const) {
          const outlet = new MemoryOutlet('next turn');
          const totals = await engine.sendRange(requestOf(pack, { compression }), outlet).run();
          assert.ok(outlet.received.equals(bytes));
          assert.equal(totals.crc32, crc32(bytes));
          assert.ok(totals.wireBytes < bytes.length / 2);
        }
      });
    });

    it('loses no byte when a worker dies', async (t) => {
      const contents = Object.fromEntries(
        Array.from({ length: 200 }, (_, i) => [`${i}.txt`, textBytes(20 * KIB + i).toString()]),
      );
      const { files, store } = await stored(t, contents);
      const slow = await startEngine(t, { threads: 1, slabBytes: 4 * MIB, firstMessageBytes: 2 * MIB });
      await withPack(store, files, async (pack) => {
        const outlet = new MemoryOutlet('next turn');
        const run = slow.sendRange(requestOf(pack, { compression: 'always' }), outlet).run();
        const slabs = Array.from({ length: slow.pool.count }, (_, slab) => slab);
        await until('a thread at work', () => slabs.some((slab) => slow.pool.threadIn(slab) !== 0));
        await slow.workers.killThread();
        await run;
        assert.ok(outlet.received.equals(packBytes(Object.values(contents))));
        await until('all slabs free', () => slow.stats().slabs.free === slow.pool.count);
      });
    });
  });
}

describe('files of packs', () => {
  it('cost more turns than their bytes, so that empty ones take no more than others', async (t) => {
    const contents = Object.fromEntries(Array.from({ length: 256 }, (_, i) => [`${i}`, '']));
    const { files, store } = await (STORES['a store whose files workers open'] as (typeof STORES)[string])(
      t,
      contents,
    );
    await withPack(store, files, async (pack) => {
      const pipeline = engine.sendRange(requestOf(pack), new MemoryOutlet('next turn'));
      assert.ok(pipeline.planJob() > 256 * 16 * KIB);
      await pipeline.run();
    });
  });
});
