/**
 * Child processes of the bench. Each one is killed when the bench ends, however
 * it ends, and nothing waits for one without a timeout.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** The most of a child's standard error that is kept for an error message, in characters. */
const MAX_KEPT_STDERR = 4096;

const live = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

export interface ChildOptions {
  env?: NodeJS.ProcessEnv;
  /** It gets a standard input, for `send`; that ends when this process does. */
  input?: boolean;
}

export class Child {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  #onLine: (() => void) | undefined;
  #stderr = '';
  readonly #closed: Promise<void>;
  #isClosed = false;

  /** `name` is for messages. The program starts at once. */
  constructor(name: string, command: string, args: readonly string[], options: ChildOptions = {}) {
    this.#name = name;
    const { input = false, ...spawnOptions } = options;
    const child = spawn(command, args, {
      ...spawnOptions,
      stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    }) as ChildProcess & { stdout: Readable; stderr: Readable };
    this.#process = child;
    // A child that has ended takes no input; its end is seen elsewhere.
    child.stdin?.on('error', () => {});
    live.add(child);
    child.on('error', (error) => {
      this.#stderr += error.message;
    });
    child.stderr.on('data', (piece: Buffer) => {
      this.#stderr = (this.#stderr + piece.toString()).slice(-MAX_KEPT_STDERR);
    });
    createInterface(child.stdout).on('line', (line) => {
      this.#lines.push(line);
      this.#onLine?.();
    });
    this.#closed = new Promise((resolve) => {
      child.once('close', () => {
        live.delete(child);
        this.#isClosed = true;
        this.#onLine?.();
        resolve();
      });
    });
  }

  /** A Node program; `script` is the path of its compiled main module. */
  static node(name: string, script: string, args: readonly string[], options: ChildOptions = {}): Child {
    return new Child(name, process.execPath, [script, ...args], options);
  }

  /** Writes a line to its standard input. */
  send(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw this.#failure('could not be started');
    return this.#process.pid;
  }

  /** All lines of standard output so far. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** The first line of standard output that matches, also one that has come already. One caller at a time. */
  async line(pattern: RegExp, timeoutMs: number): Promise<string> {
    return this.#within(timeoutMs, `no line like ${pattern} in ${timeoutMs} ms`, async () => {
      for (let next = 0; ; next += 1) {
        while (next >= this.#lines.length) {
          if (this.#isClosed) throw this.#failure('ended early');
          await new Promise<void>((resolve) => {
            this.#onLine = resolve;
          });
        }
        const line = this.#lines[next] as string;
        if (pattern.test(line)) return line;
      }
    });
  }

  /** Waits for a successful end; kills the child and throws when it fails or takes too long. */
  async succeed(timeoutMs: number): Promise<void> {
    await this.#within(timeoutMs, `has not ended in ${timeoutMs} ms`, () => this.#closed);
    if (this.#process.exitCode !== 0)
      throw this.#failure(`failed (${this.#process.exitCode ?? this.#process.signalCode})`);
  }

  /** Ends the child and waits until it is gone; safe to call twice. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#closed;
  }

  async #within<T>(timeoutMs: number, problem: string, work: () => Promise<T>): Promise<T> {
    const timer = new AbortController();
    const expiry = sleep(timeoutMs, undefined, { signal: timer.signal }).then(() => {
      void this.kill();
      throw this.#failure(problem);
    });
    expiry.catch(() => {});
    try {
      return await Promise.race([work(), expiry]);
    } finally {
      timer.abort();
    }
  }

  #failure(problem: string): Error {
    const stderr = this.#stderr.trim();
    return new Error(`${this.#name}: ${problem}${stderr === '' ? '' : `\n${stderr}`}`);
  }
}
