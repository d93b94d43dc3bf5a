/** A real `sluice serve` with the settings of a candidate, on a port of its own on this machine. */
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import type { Child } from '../process/child.ts';
import { type Candidate, flagsOf, writeCandidate } from './candidate.ts';
import { startChild } from './start-child.ts';

const PROGRAM = new URL('../main.js', import.meta.url);

/** A small, busy machine needs about a tenth of this. */
const START_TIMEOUT_MS = 20_000;

export class ServeChild {
  /** host:port */
  readonly target: string;
  readonly #child: Child;

  private constructor(target: string, child: Child) {
    this.target = target;
    this.#child = child;
  }

  /** Throws what the server says when it cannot start. Ends with `signal`. */
  static async start(directory: string, candidate: Candidate, signal: AbortSignal): Promise<ServeChild> {
    const flags = [
      '--listen',
      '127.0.0.1:0',
      '--admin-listen',
      'off',
      '--json',
      '--log-format',
      'json',
      '--log-level',
      'warn',
    ];
    const args = ['serve', '--root', directory, ...flags, ...flagsOf(candidate)];
    const child = startChild(`sluice serve with ${writeCandidate(candidate)}`, PROGRAM, args, signal);
    try {
      const [line] = await child.says(/^\{"event":"ready".*\n/m, START_TIMEOUT_MS);
      const { address } = JSON.parse(line) as { address: string };
      return new ServeChild(address, child);
    } catch (reason) {
      throw saidFailure(child.stderr) ?? reason;
    }
  }

  /** Ends it at once; safe to call twice. */
  async stop(): Promise<void> {
    await this.#child.end();
  }
}

/** With --json a failure is one line with code and message. */
function saidFailure(stderr: string): TransferError | undefined {
  const line = stderr.split('\n').find((each) => each.startsWith('{"event":"error"'));
  if (line === undefined) return undefined;
  const { code, message } = JSON.parse(line) as { code: ErrorCode; message: string };
  return new TransferError(code, message);
}
