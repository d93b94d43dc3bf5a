/** The built command line on a pseudo-terminal, as `script` of util-linux makes one. */
import type { TestContext } from 'node:test';
import { environmentWithoutSettings } from '../../../src/cli/tune/start-child.ts';
import { MAIN } from '../../support/sluice-process.ts';
import { startChild } from '../../support/start-child.ts';
import { until, within } from '../../support/until.ts';

/** Alternate screen, no cursor; and back. */
export const TAKE_TERMINAL = '\u001b[?1049h\u001b[?25l';
export const GIVE_BACK = '\u001b[?25h\u001b[?1049l';

/** What is in front of each frame. */
const FRAME = '\u001b[?2026h';

export class TerminalProcess {
  readonly #child;

  constructor(t: TestContext, args: readonly string[], { columns = 100, rows = 30 } = {}) {
    const program = [process.execPath, MAIN, ...args].map((arg) => `'${arg}'`).join(' ');
    // The shell becomes the program, so that its pid is that of the program.
    const command = `stty cols ${columns} rows ${rows}; echo pid=$$; exec ${program}`;
    this.#child = startChild(
      t,
      'script',
      ['--quiet', '--flush', '--return', '--command', command, '/dev/null'],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...environmentWithoutSettings(), TERM: 'xterm-256color' },
      },
    );
  }

  /** All that was written to the terminal. */
  get written(): string {
    return this.#child.stdout;
  }

  /** What was written since the terminal was given back. */
  get behind(): string {
    return this.written.slice(this.written.lastIndexOf(GIVE_BACK) + GIVE_BACK.length);
  }

  /** Resolves after so many frames. */
  async draws(frames: number): Promise<void> {
    await until(`${frames} frames are drawn`, () => this.written.split(FRAME).length > frames);
  }

  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    return await within(`the terminal shows ${pattern}`, this.#child.says(pattern));
  }

  type(keys: string): void {
    this.#child.process.stdin?.write(keys);
  }

  /** To the program itself. */
  async signal(name: NodeJS.Signals): Promise<void> {
    const [, pid = ''] = await this.shows(/pid=(\d+)/);
    process.kill(Number(pid), name);
  }

  /** The exit code of the program. */
  async ended(): Promise<number | null> {
    return await within('the program on the terminal ends', this.#child.ended);
  }
}
