import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { KIB, MIB } from '../../../src/base/units.ts';
import type { CompressionMode } from '../../../src/engine/download/compression-policy.ts';
import { rawBytesOf } from '../../support/decoded-run.ts';
import {
  mixedBytes,
  noiseBytes,
  requestOf,
  sourceFile,
  startEngine,
  textBytes,
} from '../../support/test-engine.ts';
import { type Draining, MemoryOutlet } from './memory-outlet.ts';
import { MemoryReader } from './memory-reader.ts';

const scope = { after };
const file = sourceFile(scope, mixedBytes(2 * MIB, 100 * KIB));
const engine = await startEngine(scope);
const allFree = engine.stats().slabs;

const range = fc
  .tuple(fc.nat(file.bytes.length), fc.nat(file.bytes.length))
  .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));

const anyRequest = fc.record({
  range,
  // Tiny chunks take many messages: of a short range only, or it takes long.
  chunkBytes: fc.oneof(fc.integer({ min: 1, max: 64 * KIB }), fc.constantFrom(1, 7, 4096, 64 * KIB)),
  details: fc.boolean(),
  checksums: fc.boolean(),
  compression: fc.constantFrom<CompressionMode>('never', 'auto', 'always'),
  draining: fc.constantFrom<Draining>('at once', 'next turn'),
  readsItself: fc.boolean(),
});

describe('a transfer', () => {
  it('sends exactly the bytes of any range, in order, in chunks of any size, compressed or not', async () => {
    await fc.assert(
      fc.asyncProperty(anyRequest, async ({ range, draining, readsItself, ...wishes }) => {
        const { start } = range;
        const end = Math.min(range.end, start + wishes.chunkBytes * 2000);
        const outlet = new MemoryOutlet(draining);
        const source = readsItself ? new MemoryReader(file.bytes) : requestOf(file).source;
        const totals = await engine
          .sendRange(requestOf(file, { ...wishes, source, start, end }), outlet)
          .run();
        const bytes = file.bytes.subarray(start, end);
        assert.ok(outlet.received.equals(bytes));
        assert.equal(totals.rawBytes, bytes.length);
        assert.equal(totals.wireBytes, outlet.wireBytes);
        if (wishes.checksums) assert.equal(totals.crc32, crc32(bytes));
        assert.deepEqual(engine.stats().slabs, allFree);
      }),
      { numRuns: 60 },
    );
  });

  it('says with each chunk where it belongs, how long it is and what its checksum is', async () => {
    const outlet = new MemoryOutlet('next turn');
    await engine
      .sendRange(requestOf(file, { start: 1000, chunkBytes: 5000, compression: 'always' }), outlet)
      .run();
    let offset = 1000;
    for (const message of outlet.messages) {
      const raw = rawBytesOf(message);
      assert.equal(message.offset, offset);
      assert.equal(message.rawSize, raw.length);
      assert.equal(message.crc32, crc32(raw));
      assert.ok(raw.length <= 5000);
      offset += raw.length;
    }
    assert.equal(offset, file.bytes.length);
  });

  it('of an empty range ends well without a write', async () => {
    for (const at of [0, 1000, file.bytes.length]) {
      const outlet = new MemoryOutlet('by hand');
      const totals = await engine.sendRange(requestOf(file, { start: at, end: at }), outlet).run();
      assert.deepEqual(totals, { rawBytes: 0, wireBytes: 0, crc32: 0 });
      assert.equal(outlet.pending, undefined);
    }
  });

  it('never compresses where it must not', async () => {
    const outlet = new MemoryOutlet('next turn');
    await engine.sendRange(requestOf(file, { compression: 'never' }), outlet).run();
    assert.ok(outlet.messages.every((message) => !message.compressed));
  });

  it('leaves noise as it is and makes text smaller', async (t) => {
    for (const compression of ['auto', 'always'] as const) {
      const noise = new MemoryOutlet('next turn');
      await engine.sendRange(requestOf(sourceFile(t, noiseBytes(300 * KIB)), { compression }), noise).run();
      assert.ok(noise.messages.every((message) => !message.compressed));

      const text = new MemoryOutlet('next turn');
      await engine.sendRange(requestOf(sourceFile(t, textBytes(300 * KIB)), { compression }), text).run();
      assert.ok(text.messages.every((message) => message.compressed));
      assert.ok(text.wireBytes < 100 * KIB);
    }
  });

  it('sends its first piece as a copy and, to a peer that reads, the rest from the slabs', async () => {
    const outlet = new MemoryOutlet('by hand');
    const buffers: ArrayBufferLike[] = [];
    const write = outlet.write.bind(outlet);
    outlet.write = (run, done) => {
      buffers.push(run.buffer);
      write(run, done);
      setImmediate(() => outlet.drain());
    };
    await engine.sendRange(requestOf(file), outlet).run();
    assert.ok(buffers[0] instanceof ArrayBuffer);
    assert.ok(buffers.includes(engine.pool.memory));
  });
});

describe('many transfers at once', () => {
  it('all send their own bytes, within the limit of jobs, with far fewer slabs than they want', async (t) => {
    const small = await startEngine(t, { slabCount: 6, slabBytes: 16 * KIB });
    const outlets = Array.from({ length: 30 }, () => new MemoryOutlet('next turn'));
    const runs = outlets.map((outlet, i) => {
      const request = requestOf(file, {
        start: i * 1000,
        end: i * 1000 + 200 * KIB,
        compression: i % 2 ? 'auto' : 'never',
      });
      const write = outlet.write.bind(outlet);
      outlet.write = (run, done) => {
        assert.ok(small.stats().jobsOutstanding <= 3);
        write(run, done);
      };
      return small.sendRange(request, outlet).run();
    });
    await Promise.all(runs);
    for (const [i, outlet] of outlets.entries()) {
      assert.ok(outlet.received.equals(file.bytes.subarray(i * 1000, i * 1000 + 200 * KIB)));
    }
    assert.deepEqual(small.stats(), {
      transfers: 0,
      uploads: 0,
      jobsOutstanding: 0,
      jobsWaiting: 0,
      slabs: { free: 6, leased: 0, sending: 0, quarantined: 0, count: 6 },
    });
  });
});
