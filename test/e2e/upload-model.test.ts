/**
 * Any order of what clients of one upload can do, crashes of the server among
 * it, against a model. SLUICE_TEST_MODEL_RUNS sets how many orders are tried.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { SluiceServer } from '../../src/server/server.ts';
import { noise } from '../support/content.ts';
import {
  type Crashing,
  ModelledUpload,
  type Place,
  type Step,
  type UnaryKind,
} from '../support/modelled-upload.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { scratchRoot } from '../support/scratch.ts';
import { seedOf } from '../support/seed.ts';
import { ServerProcess } from '../support/server-process.ts';
import { MemoryStore } from '../support/stores/memory-store.ts';
import { KIB, type Settings, TWO_THREADS, testConfig } from '../support/test-server.ts';

const RUNS = Number(process.env.SLUICE_TEST_MODEL_RUNS ?? 4);
const CONTENT = noise(1, 200 * KIB);
const SLOTS = 3;
const SETTINGS: Settings = { ...TWO_THREADS, writable: true, uploads: { minFree: 0, syncInterval: 20 } };

const slot = fc.integer({ min: 0, max: SLOTS - 1 });
const place: fc.Arbitrary<Place> = fc.oneof(
  { weight: 6, arbitrary: fc.constant('next' as const) },
  { weight: 3, arbitrary: fc.constantFrom('again' as const, 'overlap' as const, 'gap' as const) },
  {
    weight: 2,
    arbitrary: fc.record({ share: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }) }),
  },
);
const unary = fc.constantFrom<UnaryKind>(
  'finish',
  'finish',
  'finish wrongly',
  'abort',
  'status',
  'sync',
  'delete',
);
const chunk = fc.record({
  kind: fc.constant('chunk' as const),
  slot,
  place,
  bytes: fc.oneof(fc.integer({ min: 1, max: 2 * KIB }), fc.integer({ min: 32 * KIB, max: 100 * KIB })),
  isGzip: fc.boolean(),
  isCorrupt: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('start' as const),
      isSizeKnown: fc.boolean(),
      replaces: fc.boolean(),
    }),
  },
  { weight: 12, arbitrary: chunk },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('half-close' as const, 'cancel' as const), slot }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      at: fc.array(unary, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('crash' as const), during: fc.array(unary, { maxLength: 2 }) }),
  },
);

/** One server for all runs, until a step kills it. */
class KilledServer implements Crashing {
  readonly #t: TestContext;
  readonly #root: string;
  #process!: ServerProcess;
  #client: RawClient | undefined;

  constructor(t: TestContext) {
    this.#t = t;
    this.#root = scratchRoot(t);
    t.after(() => this.#client?.close());
  }

  async start(): Promise<void> {
    this.#process = await ServerProcess.start(this.#t, testConfig(this.#root, SETTINGS));
    this.#client?.close();
    this.#client = new RawClient(this.#process.address);
  }

  client(): RawClient {
    return this.#client as RawClient;
  }

  read(name: string): Buffer | undefined {
    const path = join(this.#root, name);
    return existsSync(path) ? readFileSync(path) : undefined;
  }

  async crash(): Promise<void> {
    await this.#process.end('SIGKILL');
    await this.start();
  }
}

/** A server on a store that outlives it, and that is far away. */
class StoppedServer implements Crashing {
  readonly #t: TestContext;
  readonly #store = new MemoryStore({ latencyMs: 3 });
  #server!: SluiceServer;
  #client!: RawClient;

  constructor(t: TestContext) {
    this.#t = t;
  }

  async start(): Promise<void> {
    const server = new SluiceServer(testConfig('/', SETTINGS), { store: this.#store, uploads: this.#store });
    const { address } = await server.start();
    const client = new RawClient(address);
    this.#t.after(async () => {
      client.close();
      await server.stop(0);
    });
    this.#server = server;
    this.#client = client;
  }

  client(): RawClient {
    return this.#client;
  }

  read(name: string): Buffer | undefined {
    return this.#store.content(name);
  }

  async crash(): Promise<void> {
    this.#client.close();
    await this.#server.stop(0);
    await this.start();
  }
}

const SERVERS = [
  ['that is killed', KilledServer],
  ['on a distant store', StoppedServer],
] as const;

for (const [which, Server] of SERVERS) {
  test(`an upload to a server ${which} does what its model says, in ${RUNS} orders of calls and crashes`, async (t) => {
    const server = new Server(t);
    await server.start();
    let run = 0;
    const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      const upload = new ModelledUpload(server, `run-${run++}/file`, CONTENT);
      await upload.run({ kind: 'start', isSizeKnown: run % 2 === 0, replaces: false });
      for (const step of steps) await upload.run(step);
      await upload.complete();
    });
    await fc.assert(property, { seed: seedOf(t), numRuns: RUNS });
  });
}
