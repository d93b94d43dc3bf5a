/** A server in this process, on a scratch directory, with few and small slabs so that they run out. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ChannelOptions } from '@grpc/grpc-js';
import type { z } from 'zod';
import type { Logger } from '../../src/base/logger.ts';
import type { OpenTelemetryApi } from '../../src/base/tracing.ts';
import { collectLessOften } from '../../src/cli/process/heap.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { SluiceServer } from '../../src/server/server.ts';
import { type Content, writeContent } from './content.ts';
import { RawClient } from './peers/raw-client.ts';
import { openFilesBelow, scratchRoot } from './scratch.ts';
import { MemoryStore } from './stores/memory-store.ts';
import { until } from './until.ts';

/** Settings, each group as far as it differs from the defaults. */
export type Settings = Omit<z.input<typeof configSchema>, 'root'>;

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** For tests of what threads do beside each other. */
export const TWO_THREADS: Settings = { pool: { threads: 2 } };

/** Starting a thread costs more than most tests give it to do, so there is one. */
const SMALL: Settings = {
  listen: '127.0.0.1:0',
  admin: { listen: 'off' },
  pool: { threads: 1 },
  slab: { size: 256 * KIB, count: 12 },
  chunk: { size: 64 * KIB, maxSize: 128 * KIB },
};

export function testConfig(root: string, settings: Settings = {}): Config {
  return configSchema.parse({ ...SMALL, ...settings, root });
}

/** The stores that a server can stand on: what peers see is the same. */
export const STORES = ['local', 'memory'] as const;

export type StoreKind = (typeof STORES)[number];

/** What the store in memory takes for a call: reads and writes end in another order than they began. */
const LATENCY_MS = 3;

export interface ServerOptions {
  zeroCopy?: boolean;
  logger?: Logger;
  openTelemetry?: OpenTelemetryApi;
  root?: string;
  /** Default: local. */
  store?: StoreKind;
}

export class TestServer {
  readonly server: SluiceServer;
  readonly root: string;
  readonly config: Config;
  /** null: its files are below `root`. */
  readonly memory: MemoryStore | null;
  readonly #t: TestContext;
  #address = '';

  constructor(t: TestContext, config: Config, options: ServerOptions = {}) {
    this.#t = t;
    this.config = config;
    this.root = config.root;
    const { store: kind, ...others } = options;
    const store = kind === 'memory' ? new MemoryStore({ latencyMs: LATENCY_MS }) : null;
    this.memory = store;
    this.server = new SluiceServer(config, store === null ? others : { ...others, store, uploads: store });
  }

  get address(): string {
    return this.#address;
  }

  get port(): number {
    return Number(this.#address.slice(this.#address.lastIndexOf(':') + 1));
  }

  async start(): Promise<void> {
    this.#address = (await this.server.start()).address;
    this.#t.after(() => this.server.stop(0));
  }

  /** The path of a file of the local store. */
  at(name: string): string {
    assert.equal(this.memory, null);
    return join(this.root, name);
  }

  write(name: string, content: Content): Content {
    if (this.memory === null) writeContent(this.at(name), content);
    else this.memory.put(name, content.bytes(0, content.size));
    return content;
  }

  /** Puts another file in the place of `name`, at once. */
  replace(name: string, content: Content): void {
    if (this.memory !== null) {
      this.write(name, content);
      return;
    }
    const path = this.at('replacement');
    writeContent(path, content);
    renameSync(path, this.at(name));
  }

  /** What is stored under `name`; undefined where nothing is. */
  read(name: string): Buffer | undefined {
    if (this.memory !== null) return this.memory.content(name);
    return existsSync(this.at(name)) ? readFileSync(this.at(name)) : undefined;
  }

  /** @param token goes with each call */
  client(options: ChannelOptions = {}, token?: string): RawClient {
    const client = new RawClient(this.#address, options, undefined, token);
    this.#t.after(() => client.close());
    return client;
  }

  /** Resolves when the server holds nothing for anybody: places, transfers, jobs, slabs, files. */
  async untilIdle(): Promise<void> {
    // The directory of uploads is held as the root is: for the life of the server.
    const held = join(this.root, '.sluice-uploads');
    const files = () =>
      this.memory === null
        ? openFilesBelow(this.root).filter((path) => path !== held)
        : Array.from({ length: this.memory.inUse + this.memory.openWriters }, () => 'in memory');
    const state = () => ({ ...this.server.stats(), files: files() });
    const isIdle = () => {
      const { calls, requests, streams, uploadStreams, transfers, uploads, jobsOutstanding, slabs, files } =
        state();
      return (
        calls + requests + streams + uploadStreams + transfers + uploads + jobsOutstanding === 0 &&
        slabs.free === slabs.count &&
        files.length === 0
      );
    };
    await until('the server is idle again', isIdle, { state });
    const { free, leased, sending, quarantined, count } = this.server.stats().slabs;
    assert.deepEqual(
      { free, leased, sending, quarantined },
      { free: count, leased: 0, sending: 0, quarantined: 0 },
    );
  }
}

export async function startServer(
  t: TestContext,
  settings: Settings = {},
  options: ServerOptions = {},
): Promise<TestServer> {
  const server = new TestServer(t, testConfig(options.root ?? scratchRoot(t), settings), options);
  // As `sluice serve` does.
  collectLessOften(server.config);
  await server.start();
  return server;
}
