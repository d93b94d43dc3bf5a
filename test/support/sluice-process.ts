/** The built command line as a real process. Its output is kept; the process ends with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

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

export class SluiceProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #ended: Promise<unknown>;

  constructor(t: TestContext, args: readonly string[], options: SluiceOptions = {}) {
    const { cwd, env, input = false, stdout = 'pipe', stderr = 'pipe', under = [] } = options;
    const [program = process.execPath, ...rest] = [...under, process.execPath, MAIN, ...args];
    this.child = spawn(program, rest, {
      stdio: [input ? 'pipe' : 'ignore', stdout, stderr],
      env: { ...environmentWithoutSettings(), ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.#ended = once(this.child, 'close');
    t.after(async () => {
      this.child.kill('SIGKILL');
      await this.#ended;
    });
  }

  async outcome(): Promise<SluiceOutcome> {
    await this.#ended;
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  /** Resolves once `pattern` is on one of the outputs. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const match = () => pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
    const hasEnded = () => this.child.exitCode !== null && match() === null;
    await until(`sluice says ${pattern}`, () => match() !== null || hasEnded(), {
      state: () => [this.stdout, this.stderr],
    });
    const found = match();
    if (found === null)
      throw new Error(`sluice ended without saying ${pattern}:\n${this.stdout}${this.stderr}`);
    return found;
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

/** This environment without settings of sluice. */
export function environmentWithoutSettings(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  return Object.fromEntries(kept);
}
