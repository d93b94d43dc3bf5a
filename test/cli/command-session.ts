/**
 * Command lines run one after the other in one process for a test file, because starting
 * a process costs ten times what most commands do. What a process does as such
 * (signals, its end, its standard streams) needs a `SluiceProcess`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { environmentWithoutSettings } from '../../src/cli/tune/start-child.ts';
import type { SluiceOptions, SluiceOutcome } from '../support/sluice-process.ts';

const CHILD = fileURLToPath(new URL('./command-session-child.js', import.meta.url));

/** Follows what a command wrote, on both outputs. */
export const END_OF_COMMAND = '\0end of command\0';

/** What the process is asked to run. */
export interface CommandLine {
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
}

class CommandSession {
  readonly #child: ChildProcess;
  readonly #said = { stdout: '', stderr: '' };
  #code: number | undefined;
  #done: (outcome: SluiceOutcome | Error) => void = () => {};
  #last: Promise<unknown> = Promise.resolve();

  constructor() {
    this.#child = fork(CHILD, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    // It ends with the test process, which waits for commands only.
    this.#child.unref();
    this.#child.channel?.unref();
    for (const name of ['stdout', 'stderr'] as const) {
      const stream = this.#child[name] as NodeJS.ReadStream;
      stream.unref();
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said[name] += text;
        this.#look();
      });
    }
    this.#child.on('message', (code: number) => {
      this.#code = code;
      this.#look();
    });
    this.#child.on('exit', (code, signal) => {
      this.#done(new Error(`the process of the commands ended with ${code ?? signal}: ${this.#said.stderr}`));
    });
  }

  async run(command: CommandLine): Promise<SluiceOutcome> {
    const outcome = this.#last.then(() => this.#runNext(command));
    this.#last = outcome.catch(() => {});
    return await outcome;
  }

  async #runNext(command: CommandLine): Promise<SluiceOutcome> {
    Object.assign(this.#said, { stdout: '', stderr: '' });
    this.#code = undefined;
    this.#child.channel?.ref();
    const outcome = await new Promise<SluiceOutcome | Error>((resolve) => {
      this.#done = resolve;
      this.#child.send(command);
    });
    this.#child.channel?.unref();
    if (outcome instanceof Error) throw outcome;
    return outcome;
  }

  #look(): void {
    const { stdout, stderr } = this.#said;
    if (this.#code === undefined || !stdout.endsWith(END_OF_COMMAND) || !stderr.endsWith(END_OF_COMMAND))
      return;
    const withoutEnd = (text: string) => text.slice(0, -END_OF_COMMAND.length);
    this.#done({ code: this.#code, stdout: withoutEnd(stdout), stderr: withoutEnd(stderr) });
  }
}

let session: CommandSession | undefined;

/** Runs a command line to its end, in the one process that this test file has for commands. */
export async function runCommand(
  args: readonly string[],
  { cwd = process.cwd(), env = {} }: Pick<SluiceOptions, 'cwd' | 'env'> = {},
): Promise<SluiceOutcome> {
  session ??= new CommandSession();
  return await session.run({ args, cwd, env: { ...environmentWithoutSettings(), ...env } });
}
