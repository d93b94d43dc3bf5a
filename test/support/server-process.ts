/** A server in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../src/config/schema.ts';
import { cleanUpAfter } from './clean-up.ts';
import { within } from './until.ts';

const CHILD = fileURLToPath(new URL('./serve-child.js', import.meta.url));

export class ServerProcess {
  readonly address: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, address: string) {
    this.#child = child;
    this.address = address;
  }

  static async start(t: TestContext, config: Config, env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
    const child = spawn(process.execPath, [CHILD, JSON.stringify(config)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    cleanUpAfter(t, () => child.kill('SIGKILL'));
    const ready = new Promise<string>((resolve, reject) => {
      child.stdout?.setEncoding('utf8').once('data', (line: string) => resolve(line.trim()));
      child.once('exit', (code, signal) =>
        reject(new Error(`the server process ended with ${code ?? signal} before it was ready`)),
      );
    });
    return new ServerProcess(child, await within('the server process is ready', ready));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves with the exit code once the process is gone. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.hasExited) return this.#child.exitCode;
    const gone = once(this.#child, 'exit');
    this.#child.kill(signal);
    const [code] = await within(`the process ends after ${signal}`, gone);
    return code as number | null;
  }
}
