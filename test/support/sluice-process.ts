/** The built command line as a real process. Its output is kept; the process ends with the test. */
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child } from '../../src/cli/process/child.ts';
import { environmentWithoutSettings } from '../../src/cli/tune/start-child.ts';
import { within } from './until.ts';

/** Seen from dist/test/support. */
export const MAIN = fileURLToPath(new URL('../../src/cli/sluice.cjs', import.meta.url));

export interface SluiceOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Its standard input is a pipe; otherwise it has none. */
  input?: boolean;
  /** Descriptors in place of the pipes that are read here. */
  stdout?: number;
  stderr?: number;
  /** A program and its arguments that run the command line, as `nice -n 5` does. */
  under?: readonly string[];
}

export interface SluiceOutcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export class SluiceProcess extends Child {
  constructor(t: TestContext, args: readonly string[], options: SluiceOptions = {}) {
    const { cwd, env, input = false, stdout = 'pipe', stderr = 'pipe', under = [] } = options;
    const [program = process.execPath, ...rest] = [...under, process.execPath, MAIN, ...args];
    super('sluice', program, rest, {
      stdio: [input ? 'pipe' : 'ignore', stdout, stderr],
      // Servers of other tests run beside it.
      env: { ...environmentWithoutSettings(), SLUICE_ADMIN_LISTEN: 'off', ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    t.after(() => this.end());
  }

  async outcome(): Promise<SluiceOutcome> {
    return { code: await this.ended, stdout: this.stdout, stderr: this.stderr };
  }

  override async says(pattern: RegExp): Promise<RegExpExecArray> {
    return await within(`sluice says ${pattern}`, super.says(pattern)).catch((reason: Error) => {
      throw new Error(`${reason.message}\n${this.stdout}${this.stderr}`);
    });
  }
}

/** Runs to the end. */
export async function runSluice(
  t: TestContext,
  args: readonly string[],
  options: SluiceOptions = {},
): Promise<SluiceOutcome> {
  return await new SluiceProcess(t, args, options).outcome();
}
