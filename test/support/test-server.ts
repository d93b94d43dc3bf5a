/** A server in this process, on a scratch directory, with few and small slabs so that they run out. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ChannelOptions } from '@grpc/grpc-js';
import type { z } from 'zod';
import type { Logger } from '../../src/base/logger.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { SluiceServer } from '../../src/server/server.ts';
import { type Content, writeContent } from './content.ts';
import { RawClient } from './peers/raw-client.ts';
import { openFilesBelow, scratchRoot } from './scratch.ts';
import { until } from './until.ts';

/** Settings, each group as far as it differs from the defaults. */
export type Settings = Omit<z.input<typeof configSchema>, 'root'>;

export const KIB = 1024;
export const MIB = 1024 * KIB;

const SMALL: Settings = {
  listen: '127.0.0.1:0',
  pool: { threads: 2 },
  slab: { size: 256 * KIB, count: 12 },
  chunk: { size: 64 * KIB, maxSize: 128 * KIB },
};

export function testConfig(root: string, settings: Settings = {}): Config {
  return configSchema.parse({ ...SMALL, ...settings, root });
}

export interface ServerOptions {
  zeroCopy?: boolean;
  logger?: Logger;
  root?: string;
}

export class TestServer {
  readonly server: SluiceServer;
  readonly root: string;
  readonly config: Config;
  readonly #t: TestContext;
  #address = '';

  constructor(t: TestContext, config: Config, options: ServerOptions = {}) {
    this.#t = t;
    this.config = config;
    this.root = config.root;
    this.server = new SluiceServer(config, options);
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

  at(name: string): string {
    return join(this.root, name);
  }

  write(name: string, content: Content): Content {
    writeContent(this.at(name), content);
    return content;
  }

  client(options: ChannelOptions = {}): RawClient {
    const client = new RawClient(this.#address, options);
    this.#t.after(() => client.close());
    return client;
  }

  /** Resolves when the server holds nothing for anybody: places, transfers, jobs, slabs, files. */
  async untilIdle(): Promise<void> {
    // The directory of uploads is held as the root is: for the life of the server.
    const held = join(this.root, '.sluice-uploads');
    const files = () => openFilesBelow(this.root).filter((path) => path !== held);
    const state = () => ({ ...this.server.stats(), files: files() });
    const isIdle = () => {
      const { calls, streams, uploadStreams, transfers, uploads, jobsOutstanding, slabs, files } = state();
      return (
        calls + streams + uploadStreams + transfers + uploads + jobsOutstanding === 0 &&
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
  await server.start();
  return server;
}
