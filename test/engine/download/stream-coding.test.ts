/** In virtual time: what ranges of one stream write, and when the peer takes it and answers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Coding, IDENTITY } from '../../../src/base/coding.ts';
import { KIB } from '../../../src/base/units.ts';
import type { CompressionPolicy } from '../../../src/engine/download/compression-policy.ts';
import { type MeasuredLink, StreamCoding } from '../../../src/engine/download/stream-coding.ts';
import type { FilledRun } from '../../../src/engine/jobs/job.ts';

const AUTO = { mode: 'auto', codecs: ['gzip', 'brotli'] } as const;
const NEVER = { mode: 'never', codecs: [] } as const;
const RAW_BYTES = 256 * KIB;
const WORKERS = 2;

/** Text, as compressed as `coding` gets it. */
function runOf(coding: Coding): FilledRun {
  return {
    kind: 'filled',
    runBytes: coding.codec === 'identity' ? RAW_BYTES : RAW_BYTES / 4,
    rawBytes: RAW_BYTES,
    crc32: 0,
    incompressible: false,
    workMs: 1,
    readMs: 0,
  };
}

/** A stream over a link of `bytesPerMs`, behind buffers that take every write at once. */
class Stream {
  readonly coding = new StreamCoding({ gzipLevel: 1, maxGzipLevel: 6 });
  nowMs = 1000;
  readonly #bytesPerMs: number;
  #arrivedAtMs = 0;
  #begunBytes = 0;
  #barrierDueMs = Number.POSITIVE_INFINITY;
  readonly #link: MeasuredLink = {
    pingBarrier: () => {
      this.#barrierDueMs = Math.max(this.nowMs, this.#arrivedAtMs) + 1;
      return true;
    },
  };

  constructor(bytesPerMs: number) {
    this.#bytesPerMs = bytesPerMs;
  }

  /** Sends a range of `pieces` by itself; returns the codings of its pieces. */
  send(policy: CompressionPolicy, pieces: number): Coding[] {
    this.coding.resumed(policy, this.#link, this.nowMs);
    return Array.from({ length: pieces }, () => {
      this.#pass(1);
      const choice = policy.next(this.nowMs, WORKERS);
      policy.choice?.took(choice, this.nowMs);
      const run = runOf(choice.coding);
      this.#begunBytes += run.rawBytes;
      policy.observe(choice.coding, run, this.#begunBytes, this.nowMs);
      this.coding.wrote({ policy, coding: choice.coding, run }, this.nowMs);
      this.#arrivedAtMs = Math.max(this.nowMs, this.#arrivedAtMs) + run.runBytes / this.#bytesPerMs;
      this.coding.drained(this.#link, this.nowMs);
      return choice.coding;
    });
  }

  /** Nothing is asked for in this time. */
  rest(ms: number): void {
    this.#pass(ms);
  }

  /** Until all has arrived. */
  settle(): void {
    this.#pass(Math.max(0, this.#arrivedAtMs - this.nowMs) + 2);
  }

  #pass(ms: number): void {
    const endMs = this.nowMs + ms;
    if (this.#barrierDueMs <= endMs) {
      this.coding.policyFor(AUTO).choice?.link.echoed(this.#barrierDueMs);
      this.#barrierDueMs = Number.POSITIVE_INFINITY;
    }
    this.nowMs = endMs;
  }
}

function isPlain({ codec }: Coding): boolean {
  return codec === 'identity';
}

describe('the ranges of one stream', () => {
  it('share a policy where they ask for the same', () => {
    const coding = new StreamCoding({ gzipLevel: 1, maxGzipLevel: 6 });
    const policy = coding.policyFor(AUTO);
    assert.equal(coding.policyFor({ mode: 'auto', codecs: ['brotli', 'gzip'] }), policy);
    assert.notEqual(coding.policyFor({ mode: 'auto', codecs: ['gzip'] }), policy);
    assert.notEqual(coding.policyFor(NEVER), policy);
  });

  it('go plainly once a few of them have shown that the link has spare capacity', () => {
    const stream = new Stream(1000 * KIB);
    const policy = stream.coding.policyFor(AUTO);
    const codings = Array.from({ length: 12 }, () => stream.send(policy, 2));
    assert.ok(!isPlain(codings[0]?.[0] as Coding));
    assert.ok(codings.slice(6).flat().every(isPlain));
  });

  it('are compressed from their first byte where those before them have filled the link', () => {
    const stream = new Stream(KIB);
    const policy = stream.coding.policyFor(AUTO);
    for (let range = 0; range < 12; range++) {
      const codings = stream.send(policy, 2);
      assert.ok(!codings.some(isPlain), `range ${range}`);
      stream.settle();
    }
  });

  it('stay plain on a fast link however long their peer asks for nothing between them', () => {
    const stream = new Stream(1000 * KIB);
    const policy = stream.coding.policyFor(AUTO);
    for (let range = 0; range < 6; range++) stream.send(policy, 2);
    for (let range = 0; range < 20; range++) {
      stream.rest(500);
      assert.ok(stream.send(policy, 2).every(isPlain), `range ${range}`);
    }
  });

  it('are seen by their choice one write after the other, when the peer begins to take each', () => {
    const coding = new StreamCoding({ gzipLevel: 1, maxGzipLevel: 6 });
    const policy = coding.policyFor(AUTO);
    const { link } = policy.choice as NonNullable<CompressionPolicy['choice']>;
    const [first] = [policy.next(0, WORKERS).coding];
    for (const nowMs of [0, 1, 2]) coding.wrote({ policy, coding: first, run: runOf(first) }, nowMs);
    for (const writes of [1, 2, 3]) {
      assert.equal(link.sentBytes, (writes * RAW_BYTES) / 4);
      coding.drained({}, 10 * writes);
      assert.equal(link.lastWriteMs, 10);
    }
    coding.drained({}, 50);
    assert.equal(link.sentBytes, (3 * RAW_BYTES) / 4);
  });

  it('that nobody is to compress count as traffic of the link, and not as what the choice has chosen', () => {
    const coding = new StreamCoding({ gzipLevel: 1, maxGzipLevel: 6 });
    const { choice } = coding.policyFor(AUTO);
    coding.wrote({ policy: coding.policyFor(NEVER), coding: IDENTITY, run: runOf(IDENTITY) }, 0);
    coding.drained({}, 10);
    assert.equal(choice?.link.sentBytes, RAW_BYTES);
    assert.deepEqual(choice?.summary().bytes, {});
  });
});
