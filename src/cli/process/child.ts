/**
 * A program in a process of its own: started, watched, ended. What it says is
 * kept. It ends with this process, unless that one is killed; a wait that takes
 * too long kills it.
 */
import { type ChildProcess, type Serializable, type SpawnOptions, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { TransferError } from '../../base/errors.ts';

/** The end of each output that is kept, in characters. */
const MAX_KEPT = 2 ** 24;

/** The end of standard error that a message quotes, in characters. */
const MAX_QUOTED = 4096;

const live = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

/** A child process; see the top of this file. */
export class Child {
  readonly process: ChildProcess;
  /** Resolves with the exit code, null after a signal, once the process is gone and its outputs are read. Never rejects. */
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';
  readonly #name: string;
  readonly #news = new EventEmitter();
  #hasEnded = false;

  /** Starts `program` at once, with no input and both outputs kept unless `options` say otherwise. `name` is for messages. */
  constructor(name: string, program: string, args: readonly string[], options: SpawnOptions = {}) {
    this.#name = name;
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.process = child;
    live.add(child);
    for (const output of ['stdout', 'stderr'] as const) {
      child[output]?.setEncoding('utf8').on('data', (text: string) => this.#keep(output, text));
    }
    // What can no longer be written is of no use to a child that has ended.
    child.stdin?.on('error', () => {});
    child.on('error', (reason) => this.#keep('stderr', reason.message));
    this.ended = new Promise((resolve) => {
      child.once('close', () => {
        live.delete(child);
        this.#hasEnded = true;
        this.#news.emit('news');
        resolve(child.exitCode);
      });
    });
  }

  /** Throws when the program could not be started. */
  get pid(): number {
    if (this.process.pid === undefined) throw this.#failure('could not be started');
    return this.process.pid;
  }

  /** Whether {@link ended} has resolved. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The first match of `pattern` in standard output, else in standard error. Throws when the child ends without it. */
  async says(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray> {
    return await this.#within(timeoutMs, async () => {
      for (;;) {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
        if (match !== null) return match;
        if (this.#hasEnded) throw this.#failure(`ended without saying ${pattern}`);
        await once(this.#news, 'news');
      }
    });
  }

  /** Waits for the end; throws unless the exit code is 0. */
  async succeed(timeoutMs?: number): Promise<void> {
    const code = await this.#within(timeoutMs, () => this.ended);
    if (code !== 0) throw this.#failure(`failed (${code ?? this.process.signalCode})`);
  }

  /** Sends a message; one that no longer arrives is dropped. Needs `ipc` in `options.stdio`. */
  tell(message: Serializable): void {
    this.process.send(message, () => {});
  }

  /** Sends a message and resolves with the answer, the next message that comes. Throws when the child ends before. */
  async ask<Answer>(question: Serializable): Promise<Answer> {
    this.tell(question);
    const unanswered = this.ended.then(() => {
      throw this.#failure('ended without an answer');
    });
    const [answer] = await Promise.race([once(this.process, 'message'), unanswered]);
    return answer as Answer;
  }

  /** Sends the signal and waits until the process is gone; safe to call twice. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.process.kill(signal);
    await this.ended;
  }

  async #within<T>(timeoutMs: number | undefined, work: () => Promise<T>): Promise<T> {
    if (timeoutMs === undefined) return await work();
    const timer = setTimeout(() => {
      this.#keep('stderr', `\nkilled after ${timeoutMs} ms`);
      this.process.kill('SIGKILL');
    }, timeoutMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
    }
  }

  #keep(output: 'stdout' | 'stderr', text: string): void {
    this[output] = (this[output] + text).slice(-MAX_KEPT);
    this.#news.emit('news');
  }

  #failure(problem: string): TransferError {
    const said = this.stderr.slice(-MAX_QUOTED).trim();
    return new TransferError('INTERNAL', `${this.#name} ${problem}${said === '' ? '' : `:\n${said}`}`);
  }
}
