/** A server in a process of its own. */
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Child } from '../../src/cli/process/child.ts';
import type { Config } from '../../src/config/schema.ts';
import { startChild } from './start-child.ts';
import { within } from './until.ts';

const CHILD = fileURLToPath(new URL('./serve-child.js', import.meta.url));

/**
 * For a server that is judged by its memory, as docs/operations.md has it: with gigabytes to spare V8 leaves
 * garbage for so long that a leak could not be told from it.
 */
export const SMALL_HEAP = '--max-old-space-size=96';

export class ServerProcess {
  readonly address: string;
  /** For operators; '' where `admin.listen` is off. */
  readonly adminAddress: string;
  readonly #child: Child;

  private constructor(child: Child, address: string, adminAddress: string) {
    this.#child = child;
    this.address = address;
    this.adminAddress = adminAddress;
  }

  static async start(t: TestContext, config: Config, env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
    const child = startChild(t, process.execPath, [CHILD, JSON.stringify(config)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    const ready = await within('the server process is ready', child.says(/^(\S+) (\S*)\n/));
    const [, address = '', adminAddress = ''] = ready;
    return new ServerProcess(child, address, adminAddress);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get hasExited(): boolean {
    return this.#child.hasEnded;
  }

  /** Resolves with the exit code once the process is gone. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    await within(`the process ends after ${signal}`, this.#child.end(signal));
    return this.#child.process.exitCode;
  }
}
