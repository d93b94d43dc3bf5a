/** A real `sluice serve` with the settings of a candidate, on a port of its own on this machine. */
import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import { type Candidate, flagsOf, writeCandidate } from './candidate.ts';
import { Child } from './child.ts';

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

  /** Throws what the server says when it cannot start, and CANCELLED when `signal` is aborted. */
  static async start(directory: string, candidate: Candidate, signal: AbortSignal): Promise<ServeChild> {
    const flags = ['--listen', '127.0.0.1:0', '--json', '--log-format', 'json', '--log-level', 'warn'];
    const child = new Child(PROGRAM, ['serve', '--root', directory, ...flags, ...flagsOf(candidate)]);
    const left = new AbortController();
    try {
      const timeout = delay(START_TIMEOUT_MS, undefined, { signal: AbortSignal.any([signal, left.signal]) });
      const line = await Promise.race([child.lines.next(), timeout]);
      if (line === undefined) throw new TransferError('INTERNAL', 'the server did not start in time');
      if (line.done === true) throw startFailure(child.stderr, candidate);
      const { address } = JSON.parse(line.value) as { address: string };
      return new ServeChild(address, child);
    } catch (reason) {
      await child.kill();
      throw reason;
    } finally {
      left.abort();
    }
  }

  /** Ends it at once; safe to call twice. */
  async stop(): Promise<void> {
    await this.#child.kill();
  }
}

/** With --json a failure is one line with code and message. */
function startFailure(stderr: string, candidate: Candidate): TransferError {
  const line = stderr.split('\n').find((each) => each.startsWith('{"event":"error"'));
  if (line === undefined) {
    return new TransferError(
      'INTERNAL',
      `sluice serve with ${writeCandidate(candidate)} ended: ${stderr.trim()}`,
    );
  }
  const { code, message } = JSON.parse(line) as { code: ErrorCode; message: string };
  return new TransferError(code, message);
}
