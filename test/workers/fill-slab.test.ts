import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { crc32, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { type Coding, IDENTITY, nameOfCoding } from '../../src/base/coding.ts';
import { MAX_MESSAGES_PER_SLAB, SLAB_HEADROOM_BYTES } from '../../src/base/limits.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import type { FilledRun, FillJob, FillResult } from '../../src/engine/jobs/job.ts';
import { WorkerPool } from '../../src/engine/jobs/worker-pool.ts';
import { SlabPool } from '../../src/engine/slabs/slab-pool.ts';
import { CODINGS_HERE, WITHOUT_ZSTD } from '../support/codecs.ts';
import { decodeRun, rawBytesOf } from '../support/decoded-run.ts';
import { mixedBytes, noiseBytes, type Scope, sourceFile, textBytes } from '../support/test-engine.ts';
import { until } from '../support/until.ts';

const gzip = (level: number): Coding => ({ codec: 'gzip', level });

const SLAB_BYTES = 128 * KIB;
const GUARD = 0xee;
/** Neither the first nor the last, so that it has neighbours. */
const SLAB = 1;

async function startWorkers(
  scope: Scope,
  slabs: SlabPool,
  threads: number,
  niceness: number,
): Promise<WorkerPool> {
  const workers = new WorkerPool({ threads, niceness, slabs, logger: silentLogger });
  scope.after(() => workers.stop());
  await workers.start();
  return workers;
}

const scope = { after };
const mixed = sourceFile(scope, mixedBytes(512 * KIB, 20 * KIB));
const text = sourceFile(scope, textBytes(512 * KIB));
const noise = sourceFile(scope, noiseBytes(512 * KIB));
const slabs = new SlabPool(SLAB_BYTES, 3);
const workers = await startWorkers(scope, slabs, 1, 0);
const memory = new Uint8Array(slabs.memory);
const stride = slabs.strideBytes;

function jobOf(wishes: Partial<FillJob>): FillJob {
  return {
    kind: 'fill',
    slab: SLAB,
    fd: mixed.fd,
    pack: null,
    offset: 0,
    rawBytes: SLAB_BYTES,
    chunkBytes: 16 * KIB,
    details: true,
    checksums: true,
    coding: IDENTITY,
    probe: false,
    ...wishes,
  };
}

/** Runs a job in a slab whose every byte, as its neighbours', is the guard's; but for what the job expects there. */
async function fillGuarded(job: FillJob): Promise<FillResult> {
  memory.fill(GUARD);
  if (job.fd === null) {
    const bytes = mixed.bytes.subarray(job.offset, job.offset + job.rawBytes);
    memory.set(bytes, job.slab * stride + SLAB_HEADROOM_BYTES);
  }
  return await workers.fill(job);
}

async function runOf(job: FillJob): Promise<{ result: FilledRun; run: Uint8Array }> {
  const result = await fillGuarded(job);
  assert.equal(result.kind, 'filled');
  return { result, run: memory.slice(SLAB * stride, SLAB * stride + result.runBytes) };
}

function assertGuarded(from: number, to: number): void {
  const touched = memory.subarray(from, to).findIndex((byte) => byte !== GUARD);
  assert.equal(touched, -1, `byte ${from + touched} was written`);
}

const anyJob = fc
  .record({
    rawBytes: fc.oneof(fc.integer({ min: 1, max: SLAB_BYTES }), fc.constantFrom(1, SLAB_BYTES)),
    messages: fc.integer({ min: 1, max: MAX_MESSAGES_PER_SLAB }),
    offset: fc.nat(512 * KIB - SLAB_BYTES),
    details: fc.boolean(),
    checksums: fc.boolean(),
    coding: fc.constantFrom(IDENTITY, gzip(9), ...CODINGS_HERE),
    probe: fc.boolean(),
    fd: fc.constantFrom(mixed.fd, null),
  })
  .map(({ messages, ...wishes }) => jobOf({ ...wishes, chunkBytes: Math.ceil(wishes.rawBytes / messages) }));

describe('a filled slab', () => {
  it('holds the bytes of the file in whole messages, and nothing outside of it was written', async () => {
    await fc.assert(
      fc.asyncProperty(anyJob, async (job) => {
        const { result, run } = await runOf(job);
        const raw = Buffer.concat(decodeRun(run).map(rawBytesOf));
        assert.ok(raw.equals(mixed.bytes.subarray(job.offset, job.offset + job.rawBytes)));
        assert.equal(result.rawBytes, job.rawBytes);
        assert.equal(result.crc32, job.checksums ? crc32(raw) : 0);
        assert.ok(result.runBytes <= job.rawBytes + SLAB_HEADROOM_BYTES);
        assertGuarded(0, SLAB * stride);
        assertGuarded((SLAB + 1) * stride, memory.length);
        // Where it compresses, or does not read, the bytes are behind the headroom first.
        assertGuarded(
          SLAB * stride +
            (job.coding.codec !== 'identity' || job.fd === null
              ? SLAB_HEADROOM_BYTES + job.rawBytes
              : result.runBytes),
          (SLAB + 1) * stride,
        );
      }),
      { numRuns: 100 },
    );
  });

  for (const coding of CODINGS_HERE) {
    it(`of ${nameOfCoding(coding)} says so with each chunk that is compressed; gzip, which all clients know, goes without saying`, async () => {
      const { result, run } = await runOf(jobOf({ fd: text.fd, coding }));
      const codecs = new Set(decodeRun(run).map(({ codec, compressed }) => compressed && codec));
      const said = { gzip: 'CODEC_UNSPECIFIED', brotli: 'CODEC_BROTLI', zstd: 'CODEC_ZSTD', identity: '' };
      assert.deepEqual([...codecs], [said[coding.codec]]);
      assert.ok(result.runBytes < result.rawBytes / 2);
      assert.equal(result.incompressible, false);
    });
  }

  it('may be of zstd', { skip: WITHOUT_ZSTD }, () => {
    assert.ok(CODINGS_HERE.some(({ codec }) => codec === 'zstd'));
  });

  it('has chunks of the asked size but the last, each with its place, its size and its checksum', async () => {
    const { run } = await runOf(jobOf({ offset: 777, rawBytes: 100_000, chunkBytes: 30_000 }));
    const chunks = [30_000, 30_000, 30_000, 10_000].map((size, i) => {
      const offset = 777 + i * 30_000;
      const chunk = mixed.bytes.subarray(offset, offset + size);
      return {
        chunk,
        compressed: false,
        offset,
        rawSize: size,
        crc32: crc32(chunk),
        file: null,
        codec: 'CODEC_UNSPECIFIED',
        summary: null,
      };
    });
    assert.deepEqual(decodeRun(run), chunks);
  });

  it('has no details and no checksums where they are not asked for', async () => {
    const { run } = await runOf(jobOf({ details: false, checksums: false }));
    for (const message of decodeRun(run)) {
      assert.equal(message.offset, 0);
      assert.equal(message.rawSize, 0);
      assert.equal(message.crc32, undefined);
    }
  });

  it('has room for the headers of as many messages as a slab may have', async () => {
    const chunkBytes = Math.ceil(SLAB_BYTES / MAX_MESSAGES_PER_SLAB);
    const { run } = await runOf(jobOf({ chunkBytes }));
    assert.equal(decodeRun(run).length, MAX_MESSAGES_PER_SLAB);
    assertGuarded((SLAB + 1) * stride, memory.length);
  });
});

describe('a compressed chunk', () => {
  it('is exactly one gzip member, with checksum and size of its bytes at the end', async () => {
    const { run } = await runOf(jobOf({ fd: text.fd, coding: gzip(6) }));
    const messages = decodeRun(run);
    assert.equal(messages.length, 8);
    for (const { chunk, compressed, offset, rawSize, crc32: sentCrc } of messages) {
      assert.ok(compressed);
      const member = Buffer.from(chunk);
      // RFC 1952: magic, deflate, no optional fields.
      assert.deepEqual([...member.subarray(0, 4)], [0x1f, 0x8b, 8, 0]);
      const { buffer, engine } = inflateRawSync(member.subarray(10), { info: true }) as unknown as {
        buffer: Buffer;
        engine: { bytesWritten: number };
      };
      assert.equal(10 + engine.bytesWritten + 8, member.length, 'nothing follows the member');
      assert.ok(buffer.equals(text.bytes.subarray(offset, offset + rawSize)));
      assert.equal(member.readUInt32LE(member.length - 8), crc32(buffer));
      assert.equal(member.readUInt32LE(member.length - 4), rawSize);
      assert.equal(sentCrc, crc32(buffer));
    }
  });

  it('is only kept compressed where it got smaller', async () => {
    const { run, result } = await runOf(jobOf({ coding: gzip(1), chunkBytes: 10 * KIB }));
    const messages = decodeRun(run);
    assert.ok(messages.some((message) => message.compressed));
    assert.ok(messages.some((message) => !message.compressed));
    for (const message of messages) assert.ok(message.chunk.length <= message.rawSize);
    assert.equal(result.incompressible, false);
  });
});

describe('a job that is to compress', () => {
  it('noise says that it is incompressible, with a probe and without', async () => {
    for (const probe of [true, false]) {
      const { run, result } = await runOf(jobOf({ fd: noise.fd, coding: gzip(1), probe }));
      assert.ok(result.incompressible);
      assert.ok(decodeRun(run).every((message) => !message.compressed));
    }
  });

  it('noise after a probe leaves the same run as one that is not to compress', async () => {
    const probed = await runOf(jobOf({ fd: noise.fd, coding: gzip(9), probe: true }));
    const plain = await runOf(jobOf({ fd: noise.fd, coding: IDENTITY }));
    assert.deepEqual(probed.run, plain.run);
  });

  it('text does not, with a probe and without', async () => {
    for (const probe of [true, false]) {
      const { run, result } = await runOf(jobOf({ fd: text.fd, coding: gzip(1), probe }));
      assert.equal(result.incompressible, false);
      assert.ok(result.runBytes < SLAB_BYTES / 2);
      assert.ok(decodeRun(run).every((message) => message.compressed));
    }
  });
});

describe('a job that cannot be done', () => {
  const kinds: [string, Partial<FillJob>][] = [
    ['plain', {}],
    ['compressing', { coding: gzip(1) }],
    ['probing', { coding: gzip(1), probe: true }],
  ];
  for (const [kind, wishes] of kinds) {
    it(`because the file is shorter answers so (${kind})`, async () => {
      const offset = 512 * KIB - 1000;
      assert.deepEqual(await fillGuarded(jobOf({ ...wishes, offset })), { kind: 'short' });
      assert.deepEqual(await fillGuarded(jobOf({ ...wishes, offset: offset + 2000 })), { kind: 'short' });
    });

    it(`because the descriptor cannot be read answers with the errno (${kind})`, async (t) => {
      const fd = openSync(mixed.path, 'a');
      t.after(() => closeSync(fd));
      const answer = await fillGuarded(jobOf({ ...wishes, fd }));
      assert.equal(answer.kind, 'failed');
      assert.equal(answer.errno, 'EBADF');
    });

    it(`leaves the thread able to do the next one (${kind})`, async () => {
      assert.equal((await fillGuarded(jobOf({ ...wishes, fd: -1 }))).kind, 'failed');
      assert.equal((await fillGuarded(jobOf(wishes))).kind, 'filled');
    });
  }
});

describe('a job that nobody wants any more', () => {
  for (const coding of [IDENTITY, gzip(1)]) {
    it(`stops at its next chunk of ${nameOfCoding(coding)}`, async () => {
      const pool = new SlabPool(SLAB_BYTES, 1);
      const cancelling = await startWorkers(scope, pool, 1, 0);
      const lease = pool.lease();
      assert.ok(lease);
      pool.cancelJob(lease.slab);
      assert.deepEqual(await cancelling.fill(jobOf({ slab: lease.slab, coding })), { kind: 'cancelled' });
    });
  }

  it('stops while its thread works on it, and no thread is in the slab then', async (t) => {
    const longText = sourceFile(t, textBytes(8 * MIB));
    const pool = new SlabPool(8 * MIB, 1);
    const slow = await startWorkers(t, pool, 1, 0);
    const lease = pool.lease();
    assert.ok(lease);
    const wishes = { fd: longText.fd, rawBytes: 8 * MIB, chunkBytes: 128 * KIB, coding: gzip(9) };
    const answer = slow.fill(jobOf({ slab: lease.slab, ...wishes }));
    await until('a thread at work', () => pool.threadIn(lease.slab) !== 0);
    pool.cancelJob(lease.slab);
    assert.deepEqual(await answer, { kind: 'cancelled' });
    assert.equal(pool.threadIn(lease.slab), 0);
  });
});

/** How many threads of this process have the nice value. Field 19 of proc(5)'s stat; the name before may hold spaces. */
function threadsAt(niceness: number): number {
  const niceOf = (id: string) =>
    readFileSync(`/proc/self/task/${id}/stat`, 'utf8').split(') ')[1]?.split(' ')[16];
  return readdirSync('/proc/self/task').filter((id) => niceOf(id) === String(niceness)).length;
}

if (process.platform === 'linux') {
  describe('the priority of the threads', () => {
    it('is lowered by as much as asked, and that of no other thread', async (t) => {
      assert.equal(threadsAt(7), 0);
      const all = readdirSync('/proc/self/task').length;
      const ordinary = all - threadsAt(0);
      await startWorkers(t, new SlabPool(KIB, 2), 2, 7);
      assert.equal(threadsAt(7), 2);
      assert.ok(readdirSync('/proc/self/task').length - threadsAt(0) - 2 <= ordinary);
    });
  });
}
