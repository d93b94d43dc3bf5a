import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Coding, IDENTITY, nameOfCoding } from '../../src/base/coding.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { KIB } from '../../src/base/units.ts';
import type { DrainChunk, Drained } from '../../src/engine/jobs/job.ts';
import { WorkerPool } from '../../src/engine/jobs/worker-pool.ts';
import { SlabPool } from '../../src/engine/slabs/slab-pool.ts';
import { encodeSync } from '../../src/wire/codec.ts';
import { CODINGS_HERE } from '../support/codecs.ts';
import { noiseBytes, textBytes } from '../support/test-engine.ts';

const SLAB_BYTES = 256 * KIB;
/** Neither the first nor the last, so that it has neighbours. */
const SLAB = 1;

const slabs = new SlabPool(SLAB_BYTES, 3);
const workers = new WorkerPool({ threads: 1, niceness: 0, slabs, logger: silentLogger });
after(() => workers.stop());
await workers.start();
const memory = new Uint8Array(slabs.memory);
const text = textBytes(SLAB_BYTES);
const noise = noiseBytes(SLAB_BYTES);
const NONE = Buffer.alloc(0);
const BOMB = Buffer.alloc(20_000_000);

/** An empty file, open for writing. */
function target(t: TestContext): { path: string; fd: number; bytes(): Buffer } {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-drain-'));
  const path = join(directory, 'target');
  const fd = openSync(path, 'w+');
  t.after(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });
  return { path, fd, bytes: () => readFileSync(path) };
}

interface Sent extends Omit<DrainChunk, 'at'> {
  wire: Buffer;
}

/** A chunk as it was sent and is to be written whole; `wishes` say otherwise. */
function chunkOf(offset: number, raw: Buffer, wishes: Partial<Sent> = {}): Sent {
  const wire = wishes.wire ?? raw;
  return {
    wire,
    wireBytes: wire.length,
    rawBytes: raw.length,
    codec: 'identity',
    crc32: crc32(raw),
    offset,
    ranges: [{ start: offset, end: offset + raw.length }],
    ...wishes,
  };
}

function encoded(coding: Coding, offset: number, raw: Buffer, wishes: Partial<Sent> = {}): Sent {
  return chunkOf(offset, raw, { wire: encodeSync(raw, coding), codec: coding.codec, ...wishes });
}

function gzipped(offset: number, raw: Buffer, wishes: Partial<Sent> = {}): Sent {
  return encoded({ codec: 'gzip', level: 6 }, offset, raw, wishes);
}

/** Runs one job with the chunks, one behind the other in the slab; without a descriptor with room for what they become. */
async function drain(fd: number | null, sent: readonly Sent[], slab = SLAB): Promise<Drained> {
  let at = 0;
  const chunks = sent.map(({ wire, ...chunk }) => {
    memory.set(wire, slab * slabs.strideBytes + at);
    const placed = { ...chunk, at };
    at += fd === null ? Math.max(wire.length, chunk.rawBytes) : wire.length;
    return placed;
  });
  assert.ok(at <= SLAB_BYTES);
  return await workers.drain({ kind: 'drain', slab, fd, chunks });
}

function rangeOf(start: number, bytes: Buffer) {
  return { start, end: start + bytes.length, crc32: crc32(bytes) };
}

const anyShare = fc.double({ min: 0, max: 1, noNaN: true });

/** A chunk of a source, somewhere or behind the one before; what of it is not wanted, in shares of it. */
const anyPlan = fc.record({
  offset: fc.nat(100_000),
  bytes: fc.integer({ min: 1, max: 20_000 }),
  continues: fc.boolean(),
  hole: fc.tuple(anyShare, anyShare),
  coding: fc.constantFrom(IDENTITY, ...CODINGS_HERE),
  hasCrc: fc.boolean(),
});

function sentBy(
  plans: readonly (typeof anyPlan extends fc.Arbitrary<infer P> ? P : never)[],
  source: Buffer,
): Sent[] {
  let next = 0;
  return plans.map(({ offset, bytes, continues, hole, coding, hasCrc }) => {
    const start = continues && next + bytes <= source.length ? next : offset;
    const end = start + bytes;
    next = end;
    const ranges = [
      { start, end: start + Math.floor(Math.min(...hole) * bytes) },
      { start: start + Math.floor(Math.max(...hole) * bytes), end },
    ].filter((range) => range.start < range.end);
    const wishes = { ranges, ...(hasCrc ? {} : { crc32: -1 }) };
    return encoded(coding, start, source.subarray(start, end), wishes);
  });
}

describe('a drained slab', () => {
  it('is in the file, each chunk at its offset, and reported with its checksum', async (t) => {
    const file = target(t);
    const [a, b] = [text.subarray(0, 1000), noise.subarray(0, 500)];
    const { written, fault } = await drain(file.fd, [chunkOf(5000, a), chunkOf(100, b)]);
    assert.equal(fault, null);
    assert.deepEqual(written, [rangeOf(5000, a), rangeOf(100, b)]);
    const expected = Buffer.alloc(6000);
    b.copy(expected, 100);
    a.copy(expected, 5000);
    assert.ok(file.bytes().equals(expected));
  });

  it('reports chunks that continue each other as one range', async (t) => {
    const file = target(t);
    const all = text.subarray(0, 70_000);
    const cuts = [0, 1, 30_000, 30_001, 70_000];
    const sent = cuts.slice(1).map((end, i) => chunkOf(cuts[i] as number, all.subarray(cuts[i], end)));
    assert.deepEqual((await drain(file.fd, sent)).written, [rangeOf(0, all)]);
    assert.ok(file.bytes().equals(all));
  });

  it('reports them so when some were compressed, too, by any codec', async (t) => {
    const file = target(t);
    const all = text.subarray(0, 20_000 * (CODINGS_HERE.length + 2));
    const sent = [IDENTITY, ...CODINGS_HERE, IDENTITY].map((coding, index) =>
      encoded(coding, index * 20_000, all.subarray(index * 20_000, (index + 1) * 20_000)),
    );
    assert.deepEqual((await drain(file.fd, sent)).written, [rangeOf(0, all)]);
    assert.ok(file.bytes().equals(all));
  });

  it('is written where it is asked for and nowhere else', async (t) => {
    const file = target(t);
    ftruncateSync(file.fd, 3000);
    const raw = text.subarray(0, 1000);
    const ranges = [
      { start: 1100, end: 1400 },
      { start: 1600, end: 1601 },
      { start: 1990, end: 2000 },
    ];
    for (const chunk of [chunkOf(1000, raw, { ranges }), gzipped(1000, raw, { ranges })]) {
      ftruncateSync(file.fd, 0);
      ftruncateSync(file.fd, 3000);
      const { written, fault } = await drain(file.fd, [chunk]);
      assert.equal(fault, null);
      const expected = Buffer.alloc(3000);
      for (const { start, end } of ranges) raw.copy(expected, start, start - 1000, end - 1000);
      assert.ok(file.bytes().equals(expected));
      assert.deepEqual(
        written,
        ranges.map(({ start, end }) => rangeOf(start, raw.subarray(start - 1000, end - 1000))),
      );
    }
  });

  it('is written beyond 4 GiB', async (t) => {
    const file = target(t);
    const offset = 2 ** 33 + 5;
    const raw = text.subarray(0, 100);
    const { written } = await drain(file.fd, [chunkOf(offset, raw)]);
    assert.deepEqual(written, [rangeOf(offset, raw)]);
    ftruncateSync(file.fd, 0);
  });

  it('makes any chunks, holes and compressions the bytes they came from', async (t) => {
    const file = target(t);
    const source = Buffer.concat([text.subarray(0, 60_000), noise.subarray(0, 60_000)]);
    await fc.assert(
      fc.asyncProperty(fc.array(anyPlan, { maxLength: 10 }), async (plans) => {
        ftruncateSync(file.fd, 0);
        const sent = sentBy(plans, source);
        const expected = Buffer.alloc(source.length);
        let wantedBytes = 0;
        for (const { start, end } of sent.flatMap(({ ranges }) => ranges)) {
          source.copy(expected, start, start, end);
          wantedBytes += end - start;
        }
        const { written, fault } = await drain(file.fd, sent);
        assert.equal(fault, null);
        const bytes = file.bytes();
        assert.ok(bytes.equals(expected.subarray(0, bytes.length)));
        assert.ok(expected.subarray(bytes.length).every((byte) => byte === 0));
        for (const { start, end, crc32: crc } of written)
          assert.equal(crc, crc32(source.subarray(start, end)));
        assert.equal(
          written.reduce((sum, { start, end }) => sum + end - start, 0),
          wantedBytes,
        );
      }),
      { numRuns: 60 },
    );
  });

  it('without a descriptor holds what would be in the file, and no neighbour changes', async () => {
    const source = Buffer.concat([text.subarray(0, 60_000), noise.subarray(0, 60_000)]);
    const base = SLAB * slabs.strideBytes;
    await fc.assert(
      fc.asyncProperty(fc.array(anyPlan, { maxLength: 10 }), async (plans) => {
        memory.fill(0xee);
        const sent = sentBy(plans, source);
        const { written, fault } = await drain(null, sent);
        assert.equal(fault, null);
        const wanted = sent.flatMap(({ ranges }) => ranges);
        assert.equal(
          written.reduce((sum, { start, end }) => sum + end - start, 0),
          wanted.reduce((sum, { start, end }) => sum + end - start, 0),
        );
        for (const { start, end, crc32: crc, at = -1 } of written) {
          const bytes = source.subarray(start, end);
          assert.ok(bytes.equals(memory.subarray(base + at, base + at + bytes.length)));
          assert.equal(crc, crc32(bytes));
        }
        assert.ok(memory.subarray(0, base).every((byte) => byte === 0xee));
        assert.ok(memory.subarray(base + slabs.strideBytes).every((byte) => byte === 0xee));
      }),
      { numRuns: 60 },
    );
  });

  it('without a descriptor holds neighbours as one, and nothing of a wrong chunk and those behind it', async () => {
    const all = text.subarray(0, 30_000);
    const third = (index: number) => all.subarray(index * 10_000, (index + 1) * 10_000);
    const sent = [gzipped(0, third(0)), gzipped(10_000, third(1)), gzipped(20_000, third(2), { crc32: 1 })];
    const { written, fault } = await drain(null, sent);
    assert.deepEqual(written, [{ ...rangeOf(0, all.subarray(0, 20_000)), at: 0 }]);
    assert.equal(fault?.kind === 'corrupt' && fault.offset, 20_000);
  });

  it('leaves no thread in the slab', async (t) => {
    await drain(target(t).fd, [chunkOf(0, text.subarray(0, 10))]);
    assert.equal(slabs.threadIn(SLAB), 0);
  });
});

describe('a chunk that is not what was sent', () => {
  const raw = text.subarray(0, 10_000);
  const member = gzipSync(raw);
  const changed = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes);
    copy[at < 0 ? copy.length + at : at] = (copy.at(at) as number) ^ 1;
    return copy;
  };
  /** A member of stored bytes, so that a changed one inflates well. */
  const stored = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
    deflateRawSync(raw, { level: 0 }),
    member.subarray(-8),
  ]);
  const noCrc = { crc32: -1 };
  const wrong: [string, Sent][] = [
    ['with another checksum', chunkOf(7, raw, { crc32: crc32(raw) ^ 1 })],
    ['with the checksum of nothing', chunkOf(7, raw, { crc32: 0 })],
    ['compressed, with another checksum', gzipped(7, raw, { crc32: 1 })],
    ['that inflates to more than was declared', gzipped(7, raw, { rawBytes: raw.length - 1 })],
    ['that inflates to less than was declared', gzipped(7, raw, { rawBytes: raw.length + 1 })],
    ['that is a bomb', gzipped(7, raw, { wire: gzipSync(BOMB), rawBytes: 1000 })],
    ['of two members', gzipped(7, Buffer.concat([raw, raw]), { wire: Buffer.concat([member, member]) })],
    ['with bytes behind the member', gzipped(7, raw, { wire: Buffer.concat([member, Buffer.from([0])]) })],
    ['that is cut short', gzipped(7, raw, { wire: member.subarray(0, -1) })],
    ['that is no gzip', gzipped(7, raw, { wire: noise.subarray(0, 5000) })],
    ['of one byte', gzipped(7, raw, { wire: Buffer.from([0x1f]) })],
    ['of deflate in a zlib coat', gzipped(7, raw, { wire: changed(member, 0) })],
    [
      'with a changed byte that only the member’s checksum tells',
      gzipped(7, raw, { wire: changed(stored, 2000), ...noCrc }),
    ],
    ['whose member has a wrong checksum', gzipped(7, raw, { wire: changed(member, -8), ...noCrc })],
  ];
  for (const coding of CODINGS_HERE.filter(({ codec }) => codec !== 'gzip')) {
    const name = nameOfCoding(coding);
    const whole = encodeSync(raw, coding);
    const of = (wishes: Partial<Sent>, content = raw) => encoded(coding, 7, content, wishes);
    wrong.push(
      [`of ${name} with another checksum`, of({ crc32: 1 })],
      [`of ${name} that has more than was declared`, of({ rawBytes: raw.length - 1 })],
      [`of ${name} that has less than was declared`, of({ rawBytes: raw.length + 1 })],
      [`of ${name} that is a bomb`, of({ wire: encodeSync(BOMB, coding), rawBytes: 1000 })],
      [`of ${name} twice`, of({ wire: Buffer.concat([whole, whole]) }, Buffer.concat([raw, raw]))],
      [
        `of ${name} with an empty one behind it`,
        of({ wire: Buffer.concat([whole, encodeSync(NONE, coding)]) }),
      ],
      [`of ${name} with a byte behind it`, of({ wire: Buffer.concat([whole, Buffer.from([0])]) })],
      [`of ${name} that is cut short`, of({ wire: whole.subarray(0, -1) })],
      [`of ${name} that is something else`, of({ wire: noise.subarray(0, 5000) })],
      [`of ${name} that is gzip`, of({ wire: member })],
    );
  }
  for (const [what, chunk] of wrong) {
    it(`(${what}) is not written; what stands before it is, what stands behind it is not`, async (t) => {
      const file = target(t);
      const before = text.subarray(20_000, 21_000);
      const behind = chunkOf(60_000, before);
      const { written, fault } = await drain(file.fd, [chunkOf(30_000, before), chunk, behind]);
      assert.equal(fault?.kind, 'corrupt');
      assert.equal(fault?.kind === 'corrupt' && fault.offset, 7);
      assert.deepEqual(written, [rangeOf(30_000, before)]);
      const bytes = file.bytes();
      assert.equal(bytes.length, 31_000);
      assert.ok(bytes.subarray(0, 30_000).every((byte) => byte === 0));
    });
  }

  it('is refused for its checksum, even where only a part of it is wanted', async (t) => {
    const file = target(t);
    const chunk = chunkOf(0, raw, { wire: changed(raw, 9000), ranges: [{ start: 0, end: 10 }] });
    assert.equal((await drain(file.fd, [chunk])).fault?.kind, 'corrupt');
    assert.equal(file.bytes().length, 0);
  });

  it('is taken as it is when the sender gave no checksum and did not compress', async (t) => {
    const file = target(t);
    const { fault, written } = await drain(file.fd, [
      chunkOf(0, raw, { wire: changed(raw, 9000), ...noCrc }),
    ]);
    assert.equal(fault, null);
    assert.deepEqual(written, [rangeOf(0, changed(raw, 9000))]);
  });
});

describe('a slab that cannot be written', () => {
  const raw = text.subarray(0, 100_000);

  it('because the descriptor is not open for writing fails with the errno, and the thread goes on', async (t) => {
    const file = target(t);
    const readOnly = openSync(file.path, 'r');
    t.after(() => closeSync(readOnly));
    for (const fd of [readOnly, -1]) {
      const { fault, written } = await drain(fd, [chunkOf(0, raw)]);
      assert.equal(fault?.kind === 'failed' && fault.errno, fd === -1 ? 'ERR_OUT_OF_RANGE' : 'EBADF');
      assert.deepEqual(written, []);
    }
    assert.equal((await drain(file.fd, [chunkOf(0, raw)])).fault, null);
  });

  if (process.platform === 'linux') {
    it('because the disk is full fails with ENOSPC', async (t) => {
      const full = openSync('/dev/full', 'w');
      t.after(() => closeSync(full));
      const { fault, written } = await drain(full, [chunkOf(0, raw), chunkOf(100_000, raw)]);
      assert.equal(fault?.kind === 'failed' && fault.errno, 'ENOSPC');
      assert.deepEqual(written, []);
    });

    it('to its end fails with EFBIG, and what was written of it in a short write is not reported', async (t) => {
      const file = target(t);
      const limitFiles = (bytes: string) =>
        execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
      limitFiles('150000');
      t.after(() => limitFiles('unlimited'));
      const { fault, written } = await drain(file.fd, [
        chunkOf(0, raw),
        // In the file not behind the first, so that it is a write of its own.
        chunkOf(100_010, raw),
      ]);
      limitFiles('unlimited');
      assert.equal(fault?.kind === 'failed' && fault.errno, 'EFBIG');
      assert.deepEqual(written, [rangeOf(0, raw)]);
      assert.equal(file.bytes().length, 150_000);
    });
  }
});

describe('a drain job that nobody wants any more', () => {
  it('writes nothing', async (t) => {
    const file = target(t);
    const lease = slabs.lease();
    assert.ok(lease);
    t.after(() => lease.release());
    slabs.cancelJob(lease.slab);
    const { fault, written } = await drain(file.fd, [chunkOf(0, text.subarray(0, 100))], lease.slab);
    assert.deepEqual(fault, { kind: 'cancelled' });
    assert.deepEqual(written, []);
    assert.equal(file.bytes().length, 0);
  });
});
