/**
 * What clients do at a server while its object store has bad moments: right bytes or
 * the documented code, and a bounded number of requests, whatever happens.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Semaphore } from '../../../src/base/async/semaphore.ts';
import { type ErrorCode, TransferError } from '../../../src/base/errors.ts';
import { SluiceClient } from '../../../src/client/client.ts';
import { MAX_RESTARTS } from '../../../src/client/limits.ts';
import { noise } from '../content.ts';
import { scratchDirectory } from '../scratch.ts';
import type { Random } from '../seed.ts';
import type { Fault, FaultProxy, ProxiedRequest } from './fault-proxy.ts';

/** A server on a bucket behind a proxy. */
export interface FaultScene {
  readonly proxy: FaultProxy;
  /** Of the server. */
  readonly address: string;
  /** Past the proxy. */
  put(key: string, body: Buffer): Promise<string>;
  /** Past the proxy; undefined where there is none. */
  get(key: string): Promise<Buffer | undefined>;
}

/** Of requests, in calm and in bad times. */
const FAULT_RATES = [0.1, 0.3, 0.6];

const OPERATIONS_AT_ONCE = 8;

/** Attempts of the server, a second one for each that is late, and what the client does by itself when a file has changed. */
const MAX_REQUESTS = 4 * 2 * (1 + MAX_RESTARTS);

/** Each attempt of the client begins with one, and bytes that have come give it further attempts. */
const MAX_HEADS = 4 * MAX_REQUESTS;

const SIZES = [0, 1, 1000, 70_000, 700_000, 2_500_000];

/** Parts have 8 MiB. */
const UPLOAD_SIZES = [0, 100_000, 3_000_000, 9_000_000, 20_000_000];

const REFUSALS: readonly Fault[] = [
  { kind: 'status', status: 500, code: 'InternalError' },
  { kind: 'status', status: 503, code: 'SlowDown' },
  { kind: 'status', status: 429, code: 'TooManyRequests' },
  { kind: 'reset' },
];

const BROKEN_CONDITION: Fault = { kind: 'status', status: 412, code: 'PreconditionFailed' };
const OTHER_VERSION: Fault = { kind: 'header', name: 'etag', value: '"another"' };
const OTHER_CHECKSUM: Fault = { kind: 'header', name: 'x-amz-checksum-crc32', value: 'AAAAAA==' };

/** Codes that a fault explains, beside that of a store that does not answer. */
const EXPLAINED: ReadonlyMap<Fault, readonly ErrorCode[]> = new Map<Fault, readonly ErrorCode[]>([
  [BROKEN_CONDITION, ['FILE_CHANGED', 'VERSION_MISMATCH', 'ALREADY_EXISTS']],
  [OTHER_VERSION, ['FILE_CHANGED']],
  [OTHER_CHECKSUM, ['DATA_LOSS']],
]);

/** What asks for listings: trees, listings, uploads, and whoever is told that a new file is there and finds none. */
const LISTS = /^(tree-|listed|up-|new-)/;

export interface FaultOptions {
  readonly operations: number;
  /** Some answers never end; each of them takes an attempt of the server as long as that may be. */
  readonly hangs: boolean;
}

const OF_KIND: Partial<Record<Fault['kind'], readonly ErrorCode[]>> = {
  // The client gives up before the server is through with its attempts.
  hang: ['STALLED', 'DEADLINE_EXCEEDED'],
  // The list of parts that are to become a file.
  damage: ['WRITE_FAILED', 'CONTENT_MISMATCH'],
};

/** Runs operations of all kinds at once, each on files of its own. */
export async function runThroughFaults(
  t: TestContext,
  scene: FaultScene,
  random: Random,
  { hangs, operations }: FaultOptions,
): Promise<void> {
  scene.proxy.latencyMs = random.between(0, 10);
  const run = new FaultRun(t, scene, random, hangs);
  await run.prepare();
  const semaphore = new Semaphore(OPERATIONS_AT_ONCE);
  let failure: Error | undefined;
  const operate = async (index: number): Promise<void> => {
    if (failure !== undefined) return;
    await run.operate(index).catch((reason: Error) => {
      failure ??= reason;
    });
  };
  await Promise.all(Array.from({ length: operations }, (_, index) => semaphore.run(() => operate(index))));
  // Behind the others: whoever cleans up wants nobody to work in the bucket.
  if (failure !== undefined) throw failure;
  await run.end();
}

class FaultRun {
  readonly #scene: FaultScene;
  readonly #random: Random;
  readonly #client: SluiceClient;
  readonly #hangs: boolean;
  readonly #folder: string;
  readonly #injected = new Map<string, Set<Fault>>();
  readonly #listed = Array.from({ length: 40 }, (_, index) => `listed/d${index % 3}/f${index}`);
  #rate = 0;
  /** Requests that are still to be refused, one after the other. */
  #burst = 0;
  #succeeded = 0;

  constructor(t: TestContext, scene: FaultScene, random: Random, hangs: boolean) {
    this.#scene = scene;
    this.#random = random;
    this.#hangs = hangs;
    this.#folder = scratchDirectory(t);
    this.#client = new SluiceClient(scene.address, {
      retry: { attempts: 1, initialBackoffMs: 1, maxBackoffMs: 2, outageMs: 0 },
    });
    t.after(() => this.#client.close());
    scene.proxy.fault = (request) => this.#faultOf(request);
  }

  async prepare(): Promise<void> {
    await Promise.all(this.#listed.map((name) => this.#put(name, 10)));
  }

  async operate(index: number): Promise<void> {
    this.#rate = this.#random.pick(FAULT_RATES);
    const kinds = [
      () => this.#download(index),
      () => this.#download(index),
      () => this.#tree(index),
      () => this.#list(),
      () => this.#stat(index),
      () => this.#create(index),
      () => this.#replace(index),
      () => this.#remove(index),
      () => this.#upload(index),
      () => this.#upload(index),
    ];
    await this.#random.pick(kinds)();
  }

  /** All is well when the store is. */
  async end(): Promise<void> {
    assert.ok(this.#injected.size > 0 && this.#succeeded > 0);
    for (const [request, count] of this.#scene.proxy.counts) {
      const isShared = / \/[^/]*\?|listed/.test(request);
      const limit = request.startsWith('HEAD') ? MAX_HEADS : MAX_REQUESTS;
      assert.ok(isShared || count <= limit, `${count} times ${request}`);
    }
    this.#scene.proxy.fault = () => undefined;
    const content = await this.#put('end', 700_000);
    const path = join(this.#folder, 'end');
    await this.#client.download('end', path);
    assert.ok(content.equals(readFileSync(path)));
  }

  async #download(index: number): Promise<void> {
    const name = `read-${index}`;
    const content = await this.#put(name, this.#random.pick(SIZES));
    const path = join(this.#folder, name);
    const isThere = await this.#succeeds(name, () => this.#client.download(name, path));
    assert.equal(existsSync(path), isThere);
    if (isThere) assert.ok(content.equals(readFileSync(path)), name);
  }

  async #tree(index: number): Promise<void> {
    const prefix = `tree-${index}`;
    const names = Array.from({ length: 12 }, (_, at) => `d${at % 2}/f${at}`);
    const contents = new Map<string, Buffer>();
    for (const name of names)
      contents.set(name, await this.#put(`${prefix}/${name}`, this.#random.between(0, 9000)));
    const directory = join(this.#folder, prefix);
    mkdirSync(directory);
    await this.#succeeds(prefix, async () => {
      const { failures } = await this.#client.downloadTree(prefix, directory);
      // Files of one pack wait for each other.
      for (const { error } of failures) this.#explained(prefix, error);
      const failed = new Set(failures.map(({ name }) => name));
      for (const [name, content] of contents) {
        const path = join(directory, name);
        const isThere = existsSync(path);
        assert.ok(isThere || failed.size > 0, name);
        if (isThere) assert.ok(content.equals(readFileSync(path)), name);
      }
    });
  }

  async #list(): Promise<void> {
    await this.#succeeds('listed', async () => {
      const names: string[] = [];
      for await (const { isDirectory, name } of this.#client.list('listed', { recursive: true }))
        if (!isDirectory) names.push(name);
      assert.deepEqual(names.toSorted(), this.#listed.toSorted());
    });
  }

  async #stat(index: number): Promise<void> {
    const name = `stat-${index}`;
    const content = await this.#put(name, 1000);
    await this.#succeeds(name, async () => {
      assert.equal((await this.#client.stat(name)).size, content.length);
    });
  }

  async #create(index: number): Promise<void> {
    const name = `new-${index}`;
    const content = bytesOf(name, this.#random.between(0, 50_000));
    const isWritten = await this.#writes(name, content, { overwrite: false });
    const now = await this.#scene.get(name);
    assert.ok(now?.equals(content) ?? !isWritten, name);
  }

  async #replace(index: number): Promise<void> {
    const name = `old-${index}`;
    const before = bytesOf(name, 1000);
    const version = await this.#scene.put(name, before);
    const content = bytesOf(`${name} replaced`, this.#random.between(0, 50_000));
    const isWritten = await this.#writes(name, content, { ifMatch: version });
    const now = await this.#scene.get(name);
    assert.ok(now?.equals(content) || (!isWritten && now?.equals(before)), name);
  }

  async #remove(index: number): Promise<void> {
    const name = `gone-${index}`;
    const version = await this.#scene.put(name, bytesOf(name, 1000));
    const isRemoved = await this.#succeeds(name, () => this.#client.delete(name, { ifMatch: version }));
    if (isRemoved) assert.equal(await this.#scene.get(name), undefined);
  }

  /** Of several parts, and of one. */
  async #upload(index: number): Promise<void> {
    const name = `up-${index}`;
    const content = bytesOf(name, this.#random.pick(UPLOAD_SIZES));
    const isThere = await this.#succeeds(name, () =>
      this.#client.upload(content, name, { overwrite: false }),
    );
    const now = await this.#scene.get(name);
    assert.ok(now?.equals(content) ?? !isThere, name);
  }

  async #writes(
    name: string,
    content: Buffer,
    condition: { overwrite?: boolean; ifMatch?: string },
  ): Promise<boolean> {
    const session = this.#client.session();
    try {
      return await this.#succeeds(name, () => session.write(name, content, condition));
    } finally {
      await session.close();
    }
  }

  /** Whether it did; where it did not, what happened explains it. */
  async #succeeds(key: string, operation: () => Promise<unknown>): Promise<boolean> {
    try {
      await operation();
      this.#succeeded += 1;
      return true;
    } catch (reason) {
      this.#explained(key, reason);
      return false;
    }
  }

  #explained(key: string, reason: unknown): void {
    if (!(reason instanceof TransferError)) throw reason;
    const injected = [...this.#injected].flatMap(([of, faults]) => (explains(of, key) ? [...faults] : []));
    const codes = injected.flatMap((fault) => OF_KIND[fault.kind] ?? EXPLAINED.get(fault) ?? []);
    const isExplained = reason.code === 'UNAVAILABLE' || codes.includes(reason.code);
    const happened = JSON.stringify(injected);
    assert.ok(isExplained, `${key} ended with ${reason.code} (${reason.message}) after ${happened}`);
  }

  #faultOf(request: ProxiedRequest): Fault | undefined {
    const fault = this.#pick(request);
    if (fault === undefined) return undefined;
    const injected = this.#injected.get(request.key) ?? new Set();
    this.#injected.set(request.key, injected.add(fault));
    return fault;
  }

  #pick(request: ProxiedRequest): Fault | undefined {
    const random = this.#random;
    if (this.#burst > 0) {
      this.#burst -= 1;
      return random.pick(REFUSALS);
    }
    if (random.next() >= this.#rate) return undefined;
    if (random.next() < 0.1) this.#burst = random.between(1, 8);
    return random.pick([...REFUSALS, ...this.#own(request)]);
  }

  /** What can happen to requests of this kind only. */
  #own({ key, method }: ProxiedRequest): readonly Fault[] {
    const body: readonly Fault[] = [
      { kind: 'cut', share: this.#random.next() },
      { kind: 'slow', pauseMs: this.#random.between(1, 30) },
      ...(this.#hangs ? [{ kind: 'hang', share: this.#random.next() } as const] : []),
    ];
    const isOwn = key.startsWith('.sluice-');
    if (key === '') return body;
    if (method === 'HEAD') return [OTHER_CHECKSUM];
    // Of what the server keeps for itself it asks for no version.
    if (method === 'GET') return isOwn ? body : [...body, BROKEN_CONDITION, OTHER_VERSION];
    const lost: readonly Fault[] = [
      { kind: 'lost', status: 500 },
      { kind: 'lost', status: undefined },
    ];
    // A store that says of what the server keeps for itself that somebody else was there first cannot be written to.
    // Its own objects are small, and the signature protects them.
    return isOwn ? lost : [...lost, BROKEN_CONDITION, { kind: 'damage' }];
  }

  async #put(name: string, size: number): Promise<Buffer> {
    const content = bytesOf(name, size);
    await this.#scene.put(name, content);
    return content;
  }
}

/** Whether a fault of requests for `of` may be why an operation on `key` fails. */
function explains(of: string, key: string): boolean {
  // Pages of listings wait for each other: few are asked for at the same time.
  if (of === '') return LISTS.test(key);
  if (of.startsWith('.sluice-uploads/')) return key.startsWith('up-');
  return of === key || of.startsWith(`${key}/`);
}

function bytesOf(name: string, size: number): Buffer {
  const seed = [...name].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) | 0, 7);
  return noise(seed, size).bytes(0, size);
}
