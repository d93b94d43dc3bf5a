/** The server of a fuzzed run: a process with a few files, whose log is a file too. */
import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Child } from '../../../src/cli/process/child.ts';
import { memoryBoundBytes } from '../../../src/config/memory/memory-bound.ts';
import { type Config, configSchema } from '../../../src/config/schema.ts';
import { openDescriptors, openFilesBelow, scratchDirectory, scratchRoot } from '../scratch.ts';
import { startChild } from '../start-child.ts';
import { patient, within } from '../until.ts';
import { FILES } from './clients.ts';
import type { Report } from './server-child.ts';

const CHILD = fileURLToPath(new URL('./server-child.js', import.meta.url));

/** A report costs a garbage collection. */
const LOOK_EVERY_MS = 200;

/** Unfinished uploads are discarded after this; the last ones have to be gone in the end. */
const UPLOAD_EXPIRY = '2s';

/** What a server says of itself, and what the system says of it. */
type Measured = Report & { rssBytes: number };

export class FuzzedServer {
  readonly #child: Child;
  readonly #root: string;
  readonly #log: string;
  readonly address: string;
  /** What the configuration says that transfers hold at the most. */
  readonly boundBytes: number;

  private constructor(child: Child, config: Config, log: string, address: string) {
    this.#child = child;
    this.#root = config.root;
    this.boundBytes = memoryBoundBytes(config).total;
    this.#log = log;
    this.address = address;
  }

  static async start(t: TestContext): Promise<FuzzedServer> {
    const root = scratchRoot(t);
    for (const [name, content] of Object.entries(FILES)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
    }
    symlinkSync('file', join(root, 'link'));
    const log = join(scratchDirectory(t), 'log');
    const stderr = openSync(log, 'w');
    const settings = {
      root,
      listen: '127.0.0.1:0',
      admin: { listen: 'off' },
      writable: true,
      uploads: { expiry: UPLOAD_EXPIRY, minFree: 0 },
      // What broke its session and has no call is an idle connection, which only keepalive finds dead.
      connection: { keepaliveTime: '2s', keepaliveTimeout: '5s' },
      log: { format: 'json' },
    };
    const child = startChild(t, process.execPath, [CHILD, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', stderr, 'ipc'],
      // As the command line has it: grpc-js has lines of its own for what a peer sends.
      env: { ...process.env, GRPC_VERBOSITY: 'NONE' },
    });
    closeSync(stderr);
    const [, address = ''] = await within('the server is ready', child.says(/^(.+)\n/));
    return new FuzzedServer(child, configSchema.parse(settings), log, address);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get port(): number {
    return Number(this.address.slice(this.address.lastIndexOf(':') + 1));
  }

  get hasEnded(): boolean {
    return this.#child.hasEnded;
  }

  get sockets(): number {
    return openDescriptors(this.pid).filter((target) => target.startsWith('socket:')).length;
  }

  async report(): Promise<Measured> {
    const report = await within('the report of the server', this.#child.ask<Report>('report'));
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return { ...report, rssBytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024 };
  }

  /** Resolves with a report once the server holds nothing for anybody: no place, slab, job, file or upload. */
  async idle(): Promise<Measured> {
    const endMs = performance.now() + patient(60_000);
    for (;;) {
      await sleep(LOOK_EVERY_MS);
      const report = await this.report();
      const held = this.#heldBy(report);
      if (Object.values(held).every((count) => count === 0)) return report;
      assert.ok(performance.now() < endMs, `the server still holds ${JSON.stringify(held)}`);
    }
  }

  #heldBy({ stats }: Report): Record<string, number> {
    const { connections, calls, standingCalls, requests, streams, uploadStreams, transfers, uploads } = stats;
    const { jobsOutstanding, jobsWaiting, slabs } = stats;
    const held = join(this.#root, '.sluice-uploads');
    return {
      connections,
      calls,
      standingCalls,
      requests,
      streams,
      uploadStreams,
      transfers,
      uploads,
      jobsOutstanding,
      jobsWaiting,
      slabs: slabs.count - slabs.free,
      files: openFilesBelow(this.#root, this.pid).filter((path) => path !== held).length,
      // What was learned of digests stays.
      uploadFiles: existsSync(held) ? readdirSync(held).filter((name) => name !== 'digests').length : 0,
    };
  }

  lastLines(): string {
    return readFileSync(this.#log, 'utf8').slice(-4000);
  }

  /** Stops it as an operator does; resolves with the lines of its log. */
  async stop(): Promise<string[]> {
    await within('the server ends', this.#child.end('SIGTERM'));
    assert.equal(this.#child.process.exitCode, 0);
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  }
}
