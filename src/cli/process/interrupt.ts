/**
 * Ctrl-C and SIGTERM: the first asks for a clean end, the second ends at once.
 * Invariant: the process's signal handling is restored by `dispose`.
 */
import { EXIT_CODES } from './exit-code.ts';
import { leaveProcess } from './process-end.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export class Interrupt {
  readonly #controller = new AbortController();
  readonly #onFirst: () => void;

  /** `onFirst` is called at the first signal, after `signal` has been aborted. */
  constructor(onFirst: () => void = () => {}) {
    this.#onFirst = onFirst;
    for (const name of SIGNALS) process.on(name, this.#handle);
  }

  /** Aborted at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  dispose(): void {
    for (const name of SIGNALS) process.off(name, this.#handle);
  }

  readonly #handle = (): void => {
    if (this.signal.aborted) leaveProcess(EXIT_CODES.interrupted.code);
    else {
      this.#controller.abort();
      this.#onFirst();
    }
  };
}
