/**
 * Any order of what the user of a session can do, lost streams among it, against a
 * model: every file has its bytes, so every read yields a piece of them, from its
 * start on, without gap or repetition, and all of it where nobody cancelled it.
 * SLUICE_TEST_MODEL_RUNS sets how many orders are tried.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { TransferError } from '../../../src/base/errors.ts';
import { readPack } from '../../../src/client/exchange/requests/pack-read.ts';
import type { SluiceSession } from '../../../src/client/exchange/session.ts';
import { noise } from '../../support/content.ts';
import { seedOf } from '../../support/seed.ts';
import { until, within } from '../../support/until.ts';
import { clientOf } from '../fixtures.ts';
import { ExchangeServer, type Loss } from './exchange-server.ts';

const RUNS = Number(process.env.SLUICE_TEST_MODEL_RUNS ?? 40);
const KIB = 1024;
const FILES = [0, 1, 700, 16 * KIB, 100 * KIB, 1500 * KIB].map((size, index) => ({
  name: `f${index}`,
  content: Buffer.from(noise(index, size).bytes(0, size)),
}));

const file = fc.nat({ max: FILES.length - 1 });
const which = fc.nat({ max: 30 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('read' as const), file, start: share, limit: fc.option(share) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      which,
      chunks: fc.integer({ min: 1, max: 30 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('abort' as const), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('stat' as const), file }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('write' as const), which, condition: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('list' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pack' as const), missing: file }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('lose' as const),
      loss: fc.constantFrom<Loss>('cut', 'reset', 'ok', new TransferError('UNAVAILABLE', 'draining')),
      /** Answers that are sent before it. */
      behind: fc.nat({ max: 8 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('turns' as const), turns: fc.integer({ min: 1, max: 20 }) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

const manners = fc.record({
  maxRequests: fc.integer({ min: 1, max: 12 }),
  maxCredit: fc.constantFrom(256 * KIB, 1024 * KIB, 8 * 1024 * KIB),
  chunkBytes: fc.constantFrom(1000, 16 * KIB, 200 * KIB),
  compresses: fc.boolean(),
});

interface ModelledRead {
  readonly expected: Buffer;
  readonly iteration: AsyncGenerator<Uint8Array>;
  readonly aborter: AbortController;
  /** What is asked of it, one behind the other. */
  work: Promise<void>;
  takenBytes: number;
  isCancelled: boolean;
  isEnded: boolean;
}

class Run {
  readonly #session: SluiceSession;
  readonly #server: ExchangeServer;
  readonly #reads: ModelledRead[] = [];
  readonly #others: Promise<void>[] = [];
  readonly #written = new Map<string, Buffer>();
  /** Streams to be lost, each after so many more answers. */
  readonly #losses: { loss: Loss; behind: number }[] = [];

  constructor(session: SluiceSession, server: ExchangeServer) {
    this.#session = session;
    this.#server = server;
    server.onSend = (_stream, answer) => {
      const next = this.#losses[0];
      if (next === undefined || next.behind-- > 0) return { answers: [answer] };
      this.#losses.shift();
      return { answers: [], loss: next.loss };
    };
  }

  async do(step: Step): Promise<void> {
    const read = 'which' in step ? this.#reads[step.which % Math.max(1, this.#reads.length)] : undefined;
    switch (step.kind) {
      case 'read':
        return this.#read(step.file, step.start, step.limit);
      case 'take':
        if (read) this.#then(read, () => this.#take(read, step.chunks));
        return;
      case 'leave':
        if (read) this.#then(read, () => this.#leave(read));
        return;
      case 'abort':
        if (read) read.isCancelled = true;
        read?.aborter.abort();
        return;
      case 'stat':
        this.#others.push(this.#stat(step.file));
        return;
      case 'write':
        this.#others.push(this.#write(`w${this.#written.size}`, step.condition));
        return;
      case 'list':
        this.#others.push(this.#list());
        return;
      case 'pack':
        this.#others.push(this.#pack(step.missing));
        return;
      case 'lose':
        this.#losses.push({ loss: step.loss, behind: step.behind });
        return;
      case 'turns':
        for (let turn = 0; turn < step.turns; turn += 1)
          await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Takes what is left of everything, at once. */
  async finish(): Promise<void> {
    for (const read of this.#reads) this.#then(read, () => this.#take(read, Number.POSITIVE_INFINITY));
    await Promise.all([...this.#others, ...this.#reads.map(({ work }) => work)]);
    for (const { expected, isCancelled, takenBytes } of this.#reads) {
      assert.ok(isCancelled || takenBytes === expected.byteLength);
    }
    for (const [name, bytes] of this.#written) assert.deepEqual(this.#server.files.get(name)?.content, bytes);
    await until('nothing is open', () => this.#server.open === 0);
    assert.deepEqual(this.#server.violations, []);
  }

  #read(index: number, startShare: number, limitShare: number | null): void {
    const { content, name } = FILES[index] as (typeof FILES)[number];
    const start = Math.floor(startShare * content.byteLength);
    const limit = limitShare === null ? undefined : Math.floor(limitShare * content.byteLength);
    const aborter = new AbortController();
    const read = this.#session.read(name, { start, limit, signal: aborter.signal });
    this.#reads.push({
      expected: content.subarray(start, limit === undefined ? undefined : start + limit),
      iteration: read[Symbol.asyncIterator]() as AsyncGenerator<Uint8Array>,
      aborter,
      work: Promise.resolve(),
      takenBytes: 0,
      isCancelled: false,
      isEnded: false,
    });
  }

  #then(read: ModelledRead, work: () => Promise<void>): void {
    read.work = read.work.then(work);
    // It is awaited in the end.
    read.work.catch(() => {});
  }

  async #take(read: ModelledRead, chunks: number): Promise<void> {
    for (let taken = 0; taken < chunks && !read.isEnded; taken += 1) {
      try {
        const { done, value } = await read.iteration.next();
        if (done) read.isEnded = true;
        else this.#taken(read, value);
      } catch (reason) {
        read.isEnded = true;
        if (!read.isCancelled) throw reason;
        assert.equal((reason as TransferError).code, 'CANCELLED');
      }
    }
  }

  #taken(read: ModelledRead, chunk: Uint8Array): void {
    const end = read.takenBytes + chunk.byteLength;
    assert.equal(Buffer.compare(chunk, read.expected.subarray(read.takenBytes, end)), 0);
    read.takenBytes = end;
  }

  async #leave(read: ModelledRead): Promise<void> {
    read.isCancelled = true;
    read.isEnded = true;
    await read.iteration.return(undefined);
  }

  async #stat(index: number): Promise<void> {
    const { content, name } = FILES[index] as (typeof FILES)[number];
    assert.equal((await this.#session.stat(name)).size, content.byteLength);
  }

  async #write(name: string, isNew: boolean): Promise<void> {
    const bytes = Buffer.from(`content of ${name}`);
    this.#written.set(name, bytes);
    const { version } = await this.#session.write(name, bytes, { overwrite: !isNew });
    assert.equal(version, this.#server.files.get(name)?.version);
  }

  async #list(): Promise<void> {
    const names: string[] = [];
    for await (const { name } of this.#session.list()) names.push(name);
    assert.deepEqual(names, this.#server.names);
  }

  async #pack(missing: number): Promise<void> {
    const small = FILES.filter(({ content }) => content.byteLength < 200 * KIB);
    const files = small.map(({ content, name }, index) => ({
      fileName: name,
      size: content.byteLength,
      version: index === missing ? 'other' : 'v',
    }));
    const contents: (Uint8Array | undefined)[] = [];
    for await (const content of readPack(this.#session.host, files)) contents.push(content?.bytes);
    const expected = small.map(({ content }, index) => (index === missing ? undefined : content));
    assert.equal(contents.length, expected.length);
    for (const [index, content] of contents.entries()) {
      assert.equal(content === undefined, expected[index] === undefined);
      if (content) assert.equal(Buffer.compare(content, expected[index] as Buffer), 0);
    }
  }
}

test('any order of requests, credit, cancels and lost streams', async (t: TestContext) => {
  const seed = seedOf(t);
  await fc.assert(
    fc.asyncProperty(manners, fc.array(step, { minLength: 1, maxLength: 60 }), async (manner, steps) => {
      const server = await ExchangeServer.start(t);
      for (const { content, name } of FILES) server.files.set(name, { content, version: 'v' });
      server.names = ['a', 'b/c', 'd'];
      server.chunkBytes = manner.chunkBytes;
      server.compresses = manner.compresses;
      server.limits = { ...server.limits, maxCredit: manner.maxCredit, maxRequests: manner.maxRequests };
      const client = clientOf(t, server.address, { chunkBytes: 256 * KIB, retry: { attempts: 100 } });
      const session = client.session();
      // Before its limits are known, a client may have 64 requests.
      await session.stat('f0');
      const run = new Run(session, server);
      for (const each of steps) await run.do(each);
      await within('all is done', run.finish());
      await session.close();
      client.close();
      server.close();
    }),
    { numRuns: RUNS, seed },
  );
});
