/**
 * Child processes of `sluice tune`. They end with their parent, and nothing
 * waits for one without a timeout or the caller's signal.
 */
import { type ChildProcess, type Serializable, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { TransferError } from '../../base/errors.ts';
import { ENV_PREFIX } from '../../config/settings.ts';

const END_WITH_PARENT = new URL('./end-with-parent.js', import.meta.url);

/** The most of a child's standard error that is kept for a message, in characters. */
const MAX_KEPT_STDERR = 4096;

export class Child {
  /** Lines of standard output. */
  readonly lines: AsyncIterableIterator<string>;
  readonly #process: ChildProcess & { stdout: Readable; stderr: Readable };
  readonly #ended: Promise<unknown>;
  #stderr = '';

  /** A compiled module as a program. It sees no settings of sluice in its environment. */
  constructor(module: URL, args: readonly string[]) {
    const child = spawn(process.execPath, ['--import', END_WITH_PARENT.href, module.pathname, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: environmentWithoutSettings(),
    }) as ChildProcess & { stdout: Readable; stderr: Readable };
    this.#process = child;
    this.#ended = once(child, 'close').catch(() => {});
    child.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-MAX_KEPT_STDERR);
    });
    this.lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Sends a message; one that no longer arrives is dropped. */
  tell(message: Serializable): void {
    this.#process.send(message, () => {});
  }

  /** Sends a message and resolves with the answer, the next message that comes. */
  async ask<Answer>(question: Serializable, signal: AbortSignal): Promise<Answer> {
    const left = new AbortController();
    const ended = this.#ended.then(() => {
      throw new TransferError('INTERNAL', `a process of the measurement ended early: ${this.#stderr.trim()}`);
    });
    ended.catch(() => {});
    const answered = once(this.#process, 'message', { signal: AbortSignal.any([signal, left.signal]) });
    answered.catch(() => {});
    try {
      this.tell(question);
      const [answer] = await Promise.race([answered, ended]);
      return answer as Answer;
    } finally {
      left.abort();
    }
  }

  /** Ends the child and waits until it is gone; safe to call twice. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

function environmentWithoutSettings(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith(ENV_PREFIX)));
}
