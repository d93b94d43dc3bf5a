/** Ranges and uploads of one owner, whose bytes in flight are limited, beside those of another. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { KIB } from '../../../src/base/units.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { InFlightLimit } from '../../../src/engine/jobs/in-flight-limit.ts';
import { Share } from '../../../src/engine/jobs/share.ts';
import { mixedBytes, requestOf, sourceFile, startEngine } from '../../support/test-engine.ts';
import { until, within } from '../../support/until.ts';
import { MemoryOutlet } from '../download/memory-outlet.ts';
import { MemoryReader } from '../download/memory-reader.ts';
import { TestSender, targetOf } from '../upload/test-sender.ts';

const scope = { after };
const file = sourceFile(scope, mixedBytes(512 * KIB, 30 * KIB));

function limited(mostBytes: number): { limit: InFlightLimit; share: Share } {
  const limit = new InFlightLimit(mostBytes);
  const share = new Share();
  share.limitInFlight([limit]);
  return { limit, share };
}

describe('a limit of bytes in flight', () => {
  let engine: Engine;
  before(async () => {
    engine = await startEngine({ after });
  });

  function begin(share: Share) {
    const outlet = new MemoryOutlet('by hand');
    const pipeline = engine.sendRange(requestOf(file), outlet, share);
    const sent = pipeline.run();
    sent.catch(() => {});
    return { outlet, pipeline, sent };
  }

  /** Resolves once a range that nothing holds up has been sent. */
  async function sendFreely(): Promise<void> {
    const outlet = new MemoryOutlet('next turn');
    await within('others are served', engine.sendRange(requestOf(file), outlet).run());
    assert.ok(outlet.received.equals(file.bytes));
  }

  it('keeps ranges waiting, and nobody else, until a peer has taken its bytes', async () => {
    // The first message has 4 KiB: two of them reach the limit.
    const { share } = limited(6 * KIB);
    const ranges = Array.from({ length: 5 }, () => begin(share));
    const pending = () => ranges.filter(({ outlet }) => outlet.pending !== undefined).length;
    await until('two have begun', () => pending() === 2);
    await sendFreely();
    assert.equal(pending(), 2);
    for (const { outlet } of ranges) outlet.drainAll();
    await within('all are sent', Promise.all(ranges.map(({ sent }) => sent)));
    for (const { outlet } of ranges) assert.ok(outlet.received.equals(file.bytes));
  });

  it('counts the owners that it means together', async () => {
    const { limit, share } = limited(4 * KIB);
    const other = new Share();
    other.limitInFlight([limit]);
    const first = begin(share);
    await until('the first has begun', () => first.outlet.pending !== undefined);
    const second = begin(other);
    await sendFreely();
    assert.equal(second.outlet.pending, undefined);
    first.outlet.drainAll();
    await first.sent;
    await until('the second has begun', () => second.outlet.pending !== undefined);
    second.outlet.drainAll();
    await second.sent;
  });

  it('gives back what is in flight of a range that fails', async () => {
    const { share } = limited(1);
    for (let round = 0; round < 3; round++) {
      const { outlet, pipeline, sent } = begin(share);
      await until('it has begun', () => outlet.pending !== undefined);
      pipeline.fail(new TransferError('CANCELLED', 'the peer has left'));
      await assert.rejects(sent);
    }
  });

  it('is not waited for by a range that has left', async () => {
    const { share } = limited(1);
    const [first, second, third] = [begin(share), begin(share), begin(share)];
    await until('the first has begun', () => first.outlet.pending !== undefined);
    second.pipeline.fail(new TransferError('CANCELLED', 'the peer has left'));
    first.pipeline.fail(new TransferError('CANCELLED', 'the peer has left'));
    await until('the third has begun', () => third.outlet.pending !== undefined);
    third.outlet.drainAll();
    await third.sent;
  });

  it('that is lifted lets those go on that wait', async () => {
    const { share } = limited(1);
    const [first, second] = [begin(share), begin(share)];
    await until('the first has begun', () => first.outlet.pending !== undefined);
    share.limitInFlight([]);
    await until('the second has begun', () => second.outlet.pending !== undefined);
    for (const { outlet } of [first, second]) outlet.drainAll();
    await Promise.all([first.sent, second.sent]);
  });

  it('lets a single piece through at a time where it is smaller, also from a store that reads by itself', async () => {
    const { share } = limited(1);
    const sources = [{}, { source: new MemoryReader(file.bytes) }, {}];
    const ranges = sources.map((wishes) => {
      const outlet = new MemoryOutlet('next turn');
      return { outlet, sent: engine.sendRange(requestOf(file, wishes), outlet, share).run() };
    });
    await within('all are sent', Promise.all(ranges.map(({ sent }) => sent)));
    for (const { outlet } of ranges) assert.ok(outlet.received.equals(file.bytes));
  });

  for (const kind of ['descriptor', 'writer'] as const) {
    it(`gives no memory to uploads to a ${kind} until bytes are written`, async (t) => {
      const { share } = limited(8 * KIB);
      const target = targetOf(t, kind);
      const [slow, waiting] = [0, 1].map(() => new TestSender(engine, target, file.bytes, share)) as [
        TestSender,
        TestSender,
      ];
      await slow.reserve(8 * KIB);
      let isSent = false;
      const sent = waiting.send({ start: 8 * KIB, end: 24 * KIB }).then(() => (isSent = true));
      await sendFreely();
      assert.equal(isSent, false);
      slow.fill(file.bytes.subarray(0, 8 * KIB));
      slow.keep({ start: 0, end: 8 * KIB });
      await within('the other has memory', sent);
      await Promise.all([slow.pipeline.flush(), waiting.pipeline.flush()]);
      await Promise.all([slow.pipeline.close(), waiting.pipeline.close()]);
      assert.ok(target.bytes().equals(file.bytes.subarray(0, 24 * KIB)));
    });

    it(`is free again when uploads to a ${kind} have failed, wherever their bytes were`, async (t) => {
      const { limit, share } = limited(48 * KIB);
      const target = targetOf(t, kind);
      for (let round = 0; round < 3; round++) {
        const sender = new TestSender(engine, target, file.bytes, share);
        // Fast chunks go into slabs: one is written, one is kept, one is arriving.
        for (let start = 0; start < 24 * KIB; start += 8 * KIB)
          await sender.send({ start, end: start + 8 * KIB });
        await sender.reserve(8 * KIB);
        sender.pipeline.fail(new TransferError('CANCELLED', 'the sender has left'));
        await sender.pipeline.close();
      }
      limit.limitTo(1);
      assert.equal(limit.isFull, false);
    });
  }

  it('does not wait for chunks that wait for their slab to fill', async (t) => {
    const { share } = limited(16 * KIB);
    const target = targetOf(t, 'descriptor');
    const sender = new TestSender(engine, target, file.bytes, share);
    const send = async () => {
      for (let start = 0; start < 512 * KIB; start += 8 * KIB)
        await sender.send({ start, end: start + 8 * KIB });
    };
    await within('all chunks', send());
    await sender.pipeline.flush();
    await sender.pipeline.close();
    assert.ok(target.bytes().equals(file.bytes));
  });
});
