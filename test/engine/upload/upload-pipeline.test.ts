import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { TransferError } from '../../../src/base/errors.ts';
import { MAX_MESSAGES_PER_SLAB } from '../../../src/base/limits.ts';
import { KIB, MIB } from '../../../src/base/units.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import type { DrainJob } from '../../../src/engine/jobs/job.ts';
import { Random, seedOf } from '../../support/seed.ts';
import { mixedBytes, requestOf, sourceFile, startEngine } from '../../support/test-engine.ts';
import { until, within } from '../../support/until.ts';
import { MemoryOutlet } from '../download/memory-outlet.ts';
import { MemoryWriter } from './memory-writer.ts';
import { descriptorOf, type SentChunk, TestSender, targetOf } from './test-sender.ts';

const SLAB_BYTES = 64 * KIB;
const source = mixedBytes(MIB, 30 * KIB);

/** Slabs for three jobs, and three to receive into. */
const FEW = { slabCount: 6, jobsInFlight: 2 };

/** Nobody holds anything: every slab is free, no job is out, and nobody is listed. */
async function assertIdle(engine: Engine): Promise<void> {
  const { slabs } = engine.stats();
  await until('all slabs are free', () => engine.stats().slabs.free === slabs.count);
  assert.deepEqual(engine.stats(), {
    transfers: 0,
    uploads: 0,
    jobsOutstanding: 0,
    jobsWaiting: 0,
    slabs: { free: slabs.count, leased: 0, sending: 0, quarantined: 0, count: slabs.count },
  });
  assert.equal(engine.slabs.held, 0);
}

/** The ranges are those of the source, and each byte of `[0, size)` is in exactly one. */
function assertRanges(sender: TestSender, size: number): void {
  const ranges = sender.ranges.toSorted((a, b) => a.start - b.start);
  let at = 0;
  for (const { start, end, crc32: crc } of ranges) {
    assert.equal(start, at);
    assert.equal(crc, crc32(source.subarray(start, end)));
    at = end;
  }
  assert.equal(at, size);
  assert.equal(sender.pipeline.writtenBytes, size);
}

/** `[0, size)` in chunks of any size up to a slab. */
function chunksOf(random: Random, size: number): SentChunk[] {
  const chunks: SentChunk[] = [];
  const most = random.pick([1000, 20_000, SLAB_BYTES / 2, SLAB_BYTES]);
  for (let start = 0; start < size; ) {
    // Noise may grow by compression, and must fit a slab then too.
    const compressed = random.next() < 0.3;
    const end = Math.min(
      size,
      start + random.between(1, compressed ? Math.min(most, SLAB_BYTES - 100) : most),
    );
    chunks.push({ start, end, compressed, ...(random.next() < 0.3 ? { crc32: -1 } : {}) });
    start = end;
  }
  return chunks;
}

/** Sends the chunk, now and then behind one that is dropped or before a flush. */
async function sendAtWhim(random: Random, sender: TestSender, chunk: SentChunk, pace: number): Promise<void> {
  if (random.next() < 0.1) {
    await sender.reserve(random.between(1, SLAB_BYTES));
    sender.drop();
  }
  await sender.send(chunk, pace === 0 ? undefined : () => turns(random.between(0, pace)));
  if (random.next() < 0.05) await sender.pipeline.flush();
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await setImmediate();
}

for (const kind of ['descriptor', 'writer'] as const) {
  describe(`to a ${kind}:`, () => {
    /** Of all tests that do nothing to the engine itself: threads take long to start. */
    let engine: Engine;
    before(async () => {
      engine = await startEngine({ after }, FEW);
    });

    describe('an upload pipeline', () => {
      it('writes what is kept, with many others on few slabs, in whatever chunks and paces', async (t) => {
        const random = new Random(seedOf(t));
        const uploads = Array.from({ length: 24 }, async () => {
          const file = targetOf(t, kind);
          const sender = new TestSender(engine, file, source);
          const size = random.between(1, 600_000);
          const pace = random.pick([0, 0, 1, 5]);
          for (const chunk of chunksOf(random, size)) await sendAtWhim(random, sender, chunk, pace);
          await sender.pipeline.flush();
          assert.ok(file.bytes().equals(source.subarray(0, size)));
          assertRanges(sender, size);
          assert.deepEqual(sender.failures, []);
          await sender.pipeline.close();
        });
        await within('all uploads', Promise.all(uploads));
        await assertIdle(engine);
      });

      it('gets on beside downloads, and they beside it', async (t) => {
        const engine = await startEngine(t, { ...FEW, slabCount: 9 });
        const file = sourceFile(t, source);
        const downloads = Array.from({ length: 6 }, async () => {
          const outlet = new MemoryOutlet('next turn');
          await engine.sendRange(requestOf(file), outlet).run();
          assert.ok(outlet.received.equals(source));
        });
        const uploads = Array.from({ length: 6 }, async () => {
          const target = targetOf(t, kind);
          const sender = new TestSender(engine, target, source);
          for (let start = 0; start < MIB; start += 32 * KIB) {
            await sender.send({ start, end: start + 32 * KIB }, setImmediate);
          }
          await sender.pipeline.flush();
          assert.ok(target.bytes().equals(source));
          await sender.pipeline.close();
        });
        await within('all of them', Promise.all([...downloads, ...uploads]));
        await assertIdle(engine);
      });

      it('gets on beside downloads that never end, and downloads beside uploads that never do', async (t) => {
        const file = sourceFile(t, source);
        for (const endless of ['downloads', 'uploads']) {
          let isOver = false;
          const download = async () => {
            const outlet = new MemoryOutlet('at once');
            await engine.sendRange(requestOf(file), outlet).run();
            assert.ok(outlet.received.equals(source));
          };
          const upload = async () => {
            const target = targetOf(t, kind);
            const sender = new TestSender(engine, target, source);
            for (let start = 0; start < MIB; start += 32 * KIB)
              await sender.send({ start, end: start + 32 * KIB });
            await sender.pipeline.flush();
            assert.ok(target.bytes().equals(source));
            await sender.pipeline.close();
          };
          const [background, subject] = endless === 'downloads' ? [download, upload] : [upload, download];
          const others = Array.from({ length: 8 }, async () => {
            while (!isOver) await background();
          });
          await within(`what shares with ${endless}`, Promise.all([subject(), subject(), subject()]));
          isOver = true;
          await Promise.all(others);
        }
        await assertIdle(engine);
      });

      it('gets memory while a download’s reader takes nothing, and when that one is cancelled all of it', async (t) => {
        const outlet = new MemoryOutlet('by hand');
        const transfer = engine.sendRange(requestOf(sourceFile(t, source)), outlet);
        const run = transfer.run();
        await until('a write', () => outlet.pending !== undefined);
        const senders = [1, 2, 3].map(() => new TestSender(engine, targetOf(t, kind), source));
        for (const sender of senders) await sender.send({ start: 0, end: 1000 });
        const reservations = senders.map((sender) => sender.reserve(2000));
        await Promise.race(reservations);
        transfer.fail(new TransferError('CANCELLED', 'enough'));
        await assert.rejects(run, { code: 'CANCELLED' });
        await within('memory for all', Promise.all(reservations));
        for (const sender of senders) await sender.pipeline.close();
        await assertIdle(engine);
      });

      it('waits while no slab is free, though it may have one, and lets the others go on', async (t) => {
        const leases = Array.from({ length: 6 }, () => engine.pool.lease());
        const sender = new TestSender(engine, targetOf(t, kind), source);
        // The first chunk waits on the heap for a slab to be written from.
        await sender.send({ start: 0, end: 1000 });
        const reservation = sender.reserve(1000);
        await turns(20);
        assert.equal(engine.stats().jobsOutstanding, 0);
        for (const lease of leases) lease?.release();
        assert.ok(await within('memory', reservation));
        sender.drop();
        await sender.pipeline.flush();
        assertRanges(sender, 1000);
        await sender.pipeline.close();
        await assertIdle(engine);
      });

      it('hands tiny chunks and such as inflate much to the workers in bounded jobs', async (t) => {
        const engine = await startEngine(t, { ...FEW, slabBytes: 256 * KIB });
        const jobs: DrainJob[] = [];
        const { workers } = engine;
        const drain = workers.drain.bind(workers);
        workers.drain = (job) => {
          jobs.push(job);
          return drain(job);
        };
        const zeros = Buffer.alloc(8 * MIB);
        const tiny = new TestSender(engine, targetOf(t, kind), zeros);
        for (let at = 0; at < 1000; at++) await tiny.send({ start: at, end: at + 1 });
        await tiny.pipeline.flush();
        assert.ok(jobs.length >= 10);
        assert.ok(jobs.every((job) => job.chunks.length <= MAX_MESSAGES_PER_SLAB));
        jobs.length = 0;
        const inflating = new TestSender(engine, targetOf(t, kind), zeros);
        for (let start = 0; start < zeros.length; start += 256 * KIB) {
          await inflating.send({ start, end: start + 256 * KIB, compressed: true });
        }
        await inflating.pipeline.flush();
        for (const { chunks } of jobs) {
          assert.ok(chunks.reduce((sum, { rawBytes }) => sum + rawBytes, 0) <= 5 * 256 * KIB);
        }
        await tiny.pipeline.close();
        await inflating.pipeline.close();
      });

      it('that is given a wrong chunk fails, with what stood before it written', async (t) => {
        const file = targetOf(t, kind);
        const sender = new TestSender(engine, file, source);
        await sender.send({ start: 0, end: 5000 });
        await sender.pipeline.flush();
        await sender.send({ start: 5000, end: 6000 });
        await sender.send({ start: 6000, end: 7000, crc32: 1 });
        await sender.send({ start: 7000, end: 8000 });
        await assert.rejects(sender.pipeline.flush(), { code: 'CHECKSUM_MISMATCH', message: /6000/ });
        assert.equal(sender.failures.length, 1);
        assert.ok(file.bytes().equals(source.subarray(0, 6000)));
        assertRanges(sender, 6000);
        await sender.pipeline.close();
        await assertIdle(engine);
      });
    });

    describe('an upload pipeline that ends', () => {
      const gone = new TransferError('CANCELLED', 'gone');
      /** Jobs that take a while, and the first three slabs taken by others. */
      const phases: [string, (sender: TestSender, engine: Engine) => Promise<unknown>][] = [
        ['before its first chunk', async () => {}],
        ['with a chunk arriving on the heap', (sender) => sender.reserve(1000)],
        [
          'with a chunk arriving in a slab',
          async (sender) => {
            await sender.send({ start: 0, end: 1000 });
            await sender.pipeline.flush();
            await sender.reserve(1000);
            sender.fill(source.subarray(0, 500));
          },
        ],
        [
          'with whole chunks in a slab that is not full',
          async (sender) => {
            for (const start of [0, 1000, 2000]) await sender.send({ start, end: start + 1000 });
          },
        ],
        ['with its first job running', (sender) => sender.send({ start: 0, end: SLAB_BYTES })],
        [
          'with jobs running and queued and another chunk refused',
          async (sender) => {
            await sender.send({ start: 0, end: 1000 });
            for (let i = 1; i < 8; i++) {
              const start = i * SLAB_BYTES;
              if (sender.pipeline.reserve(SLAB_BYTES) === null) return;
              sender.pipeline.drop();
              await sender.send({ start, end: start + SLAB_BYTES });
            }
          },
        ],
        [
          'after everything was written',
          async (sender) => {
            await sender.send({ start: 0, end: 1000 });
            await sender.pipeline.flush();
          },
        ],
      ];
      for (const [when, bringTo] of phases) {
        it(`${when} says so once, gives back its slabs and takes nothing more`, async (t) => {
          const file = targetOf(t, kind);
          const sender = new TestSender(engine, file, source);
          await bringTo(sender, engine);
          sender.pipeline.fail(gone);
          sender.pipeline.fail(new TransferError('INTERNAL', 'too late'));
          assert.deepEqual(sender.failures, [gone]);
          assert.equal(sender.pipeline.reserve(10), null);
          await within('the close', sender.pipeline.close());
          await assert.rejects(sender.pipeline.flush(), { code: 'CANCELLED' });
          const { length } = file.bytes();
          assert.equal(engine.stats().jobsOutstanding, 0);
          await assertIdle(engine);
          assert.equal(file.bytes().length, length, 'nothing is written behind close');
          assert.deepEqual(sender.failures, [gone]);
        });
      }

      it('with a chunk that waits for a slab takes it from nobody', async (t) => {
        const leases = Array.from({ length: 6 }, () => engine.pool.lease());
        const sender = new TestSender(engine, targetOf(t, kind), source);
        await sender.send({ start: 0, end: 1000 });
        const flushed = assert.rejects(sender.pipeline.flush(), { code: 'CANCELLED' });
        await within('the close', sender.pipeline.close());
        await flushed;
        for (const lease of leases) lease?.release();
        await assertIdle(engine);
      });

      it('because the engine stops gives everything back', async (t) => {
        const engine = await startEngine(t, FEW);
        const uploads = Array.from({ length: 10 }, async (_, i) => {
          const sender = new TestSender(engine, targetOf(t, kind), source);
          for (let start = 0; start < MIB; start += 16 * KIB) {
            if (!(await sender.send({ start, end: start + 16 * KIB, compressed: i % 2 === 0 }, setImmediate)))
              break;
          }
          await sender.pipeline.close();
          return sender.failures[0]?.code;
        });
        await until('a job', () => engine.stats().jobsOutstanding > 0);
        await engine.stop();
        const codes = await within('all uploads', Promise.all(uploads));
        assert.deepEqual(new Set(codes), new Set(['UNAVAILABLE']));
        await assertIdle(engine);
      });
    });

    describe('a sender that stalls', () => {
      /** Senders that each hold a slab with a chunk that does not arrive. */
      async function stalled(t: TestContext, engine: Engine, count: number): Promise<TestSender[]> {
        const senders = Array.from(
          { length: count },
          () => new TestSender(engine, targetOf(t, kind), source),
        );
        for (const sender of senders) {
          await sender.send({ start: 0, end: 1000 });
          await sender.pipeline.flush();
        }
        for (const sender of senders) {
          await sender.reserve(1000);
          sender.fill(source.subarray(1000, 1400));
        }
        return senders;
      }

      it('keeps no slab from one that sends, and loses no byte of what it sent', async (t) => {
        const senders = await stalled(t, engine, 3);
        assert.equal(engine.slabs.held, 3, 'all that may be held');
        const file = targetOf(t, kind);
        const healthy = new TestSender(engine, file, source);
        const chunks = chunksOf(new Random(1), MIB);
        await within(
          'the healthy upload',
          (async () => {
            for (const chunk of chunks) await healthy.send(chunk);
            await healthy.pipeline.flush();
          })(),
        );
        assert.ok(file.bytes().equals(source));
        assert.equal(healthy.moves, 0);
        assert.ok(senders.some(({ moves }) => moves === 1));
        for (const sender of senders) {
          sender.fill(source.subarray(1400, 2000), 400);
          sender.keep({ start: 1000, end: 2000 });
          await sender.pipeline.flush();
          assertRanges(sender, 2000);
          await sender.pipeline.close();
        }
        await healthy.pipeline.close();
        await assertIdle(engine);
      });

      it('behind a whole chunk whose turn has not come loses none of it with its slab', async (t) => {
        const [sender] = (await stalled(t, engine, 1)) as [TestSender];
        sender.fill(source.subarray(1400, 2000), 400);
        sender.pipeline.giveBackIdle(performance.now() + 1000, 100);
        assert.equal(sender.moves, 1);
        assert.equal(engine.slabs.held, 0);
        sender.keep({ start: 1000, end: 2000 });
        await sender.pipeline.flush();
        assertRanges(sender, 2000);
        await sender.pipeline.close();
      });

      it('behind whole chunks has them written all the same', async (t) => {
        const sender = new TestSender(engine, targetOf(t, kind), source);
        for (const start of [0, 1000, 2000]) await sender.send({ start, end: start + 1000 });
        await until('it is written', () => sender.ranges.some(({ end }) => end === 3000));
        assertRanges(sender, 3000);
        await sender.pipeline.close();
        await assertIdle(engine);
      });

      it('with a slab that it has nothing in gives it back', async (t) => {
        const [sender] = (await stalled(t, engine, 1)) as [TestSender];
        sender.drop();
        assert.equal(engine.slabs.held, 1);
        engine.slabs.reclaim(performance.now() + 1000);
        assert.equal(engine.slabs.held, 0);
        await sender.pipeline.close();
        await assertIdle(engine);
      });
    });

    describe('a thread that dies at work on an upload', () => {
      const CHUNK_BYTES = 32 * KIB;

      /** An engine whose first `crashes` jobs of uploads end their threads, and how many there were. */
      async function crashing(
        t: TestContext,
        crashes: number,
      ): Promise<{ engine: Engine; jobs: () => number }> {
        const engine = await startEngine(t, FEW);
        const drain = engine.workers.drain.bind(engine.workers);
        let jobs = 0;
        engine.workers.drain = (job) => {
          jobs += 1;
          if (jobs <= crashes) engine.pool.crashJob(job.slab);
          return drain(job);
        };
        return { engine, jobs: () => jobs };
      }

      async function sendAll(sender: TestSender): Promise<void> {
        for (let start = 0; start < MIB; start += CHUNK_BYTES) {
          const compressed = (start / CHUNK_BYTES) % 3 === 1;
          if (!(await sender.send({ start, end: start + CHUNK_BYTES, compressed }))) break;
        }
        await sender.pipeline.flush();
      }

      it('costs it a job and no byte', async (t) => {
        const { engine, jobs } = await crashing(t, 2);
        const file = targetOf(t, kind);
        const sender = new TestSender(engine, file, source);
        await within('the upload', sendAll(sender));
        assert.ok(file.bytes().equals(source));
        assertRanges(sender, MIB);
        assert.ok(jobs() > 2);
        await sender.pipeline.close();
        await assertIdle(engine);
      });

      it('costs others nothing', async (t) => {
        const { engine } = await crashing(t, 4);
        const uploads = Array.from({ length: 5 }, async () => {
          const file = targetOf(t, kind);
          const sender = new TestSender(engine, file, source);
          await sendAll(sender);
          assert.ok(file.bytes().equals(source));
          await sender.pipeline.close();
        });
        await within('all uploads', Promise.all(uploads));
        await assertIdle(engine);
      });

      it('again and again ends it with INTERNAL', async (t) => {
        const { engine } = await crashing(t, Number.POSITIVE_INFINITY);
        const sender = new TestSender(engine, targetOf(t, kind), source);
        await assert.rejects(within('the end', sendAll(sender)), {
          code: 'INTERNAL',
          message: /die repeatedly/,
        });
        await sender.pipeline.close();
        await assertIdle(engine);
      });

      it('when the upload is over already loses no slab', async (t) => {
        const { engine } = await crashing(t, 1);
        const sender = new TestSender(engine, targetOf(t, kind), source);
        await sender.send({ start: 0, end: CHUNK_BYTES });
        await until('the job', () => engine.stats().jobsOutstanding === 1);
        await within('the close', sender.pipeline.close());
        await assertIdle(engine);
      });

      it('in the middle of its writes costs no byte', async (t) => {
        const engine = await startEngine(t, FEW);
        const file = targetOf(t, kind);
        const sender = new TestSender(engine, file, source);
        const sending = sendAll(sender);
        for (let kills = 0; kills < 3; kills++) {
          const seen = sender.ranges.length;
          await until(
            'more is written',
            () => sender.ranges.length > seen || sender.pipeline.writtenBytes === MIB,
          );
          await engine.workers.killThread();
        }
        await within('the upload', sending);
        assert.ok(file.bytes().equals(source));
        assertRanges(sender, MIB);
        await sender.pipeline.close();
        await assertIdle(engine);
      });
    });
  });
}

describe('an upload pipeline', () => {
  it('whose file cannot be written fails with what the store makes of the errno', async (t) => {
    const engine = await startEngine(t, FEW);
    const target = { sink: descriptorOf(sourceFile(t, source).fd), bytes: () => source };
    const sender = new TestSender(engine, target, source);
    await sender.send({ start: 0, end: 5000 });
    await assert.rejects(sender.pipeline.flush(), { code: 'WRITE_FAILED', message: 'EBADF' });
    await sender.pipeline.close();
    await assertIdle(engine);
  });

  it('whose store cannot write fails with what the store says', async (t) => {
    const engine = await startEngine(t, FEW);
    const { writer, sender } = storing(engine);
    const error = new TransferError('DISK_FULL', 'the bucket is full; resume when there is room');
    writer.failure = error;
    await sender.send({ start: 0, end: 5000 });
    const flushed = assert.rejects(sender.pipeline.flush(), error);
    writer.finish();
    await flushed;
    assert.deepEqual(sender.ranges, []);
    await sender.pipeline.close();
    await assertIdle(engine);
  });

  it('whose store is slow has as many writes under way as there may be jobs of one stream, and no job', async (t) => {
    const engine = await startEngine(t, FEW);
    const senders = [1, 2].map(() => storing(engine));
    const sending = senders.map(async ({ sender }) => {
      for (let start = 0; start < MIB; start += SLAB_BYTES)
        await sender.send({ start, end: start + SLAB_BYTES });
      await sender.pipeline.flush();
    });
    await until('writes of both', () => senders.every(({ writer }) => writer.pendingWrites > 0));
    await until('all that may be', () =>
      senders.some(({ writer }) => writer.pendingWrites === FEW.jobsInFlight),
    );
    await until('no job', () => engine.stats().jobsOutstanding === 0);
    for (const { writer } of senders) writer.finish();
    await within('both uploads', Promise.all(sending));
    for (const { sender, writer } of senders) {
      assert.ok(writer.bytes().equals(source));
      assertRanges(sender, MIB);
      await sender.pipeline.close();
    }
    await assertIdle(engine);
  });

  it('that fails while its store writes keeps the slab, and is not closed, until the write has ended', async (t) => {
    const engine = await startEngine(t, FEW);
    const { writer, sender } = storing(engine);
    await sender.send({ start: 0, end: 5000 });
    const flushed = assert.rejects(sender.pipeline.flush(), { code: 'CANCELLED' });
    await until('a write', () => writer.pendingWrites === 1);
    sender.pipeline.fail(new TransferError('CANCELLED', 'gone'));
    let isClosed = false;
    const closed = sender.pipeline.close().then(() => (isClosed = true));
    await turns(20);
    assert.deepEqual([isClosed, engine.stats().slabs.leased], [false, 1]);
    writer.finish();
    await within('the close', closed);
    await flushed;
    assert.equal(writer.lateWrites, 1);
    assertRanges(sender, 5000);
    await assertIdle(engine);
  });
});

/** A sender to a store whose writes end by hand. */
function storing(engine: Engine): { writer: MemoryWriter; sender: TestSender } {
  const writer = new MemoryWriter('by hand');
  const sender = new TestSender(engine, { sink: writer, bytes: () => writer.bytes() }, source);
  return { writer, sender };
}
