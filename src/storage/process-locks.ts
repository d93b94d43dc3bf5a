/**
 * What the processes that take uploads for one directory agree on: who changes a
 * name, and which of them has an upload. A process that is alone agrees with itself.
 */
import { KeyedMutex } from '../base/async/keyed-mutex.ts';

/** Gives back what was taken; safe to call twice. */
export type Release = () => void;

export interface ProcessLocks {
  /** Which of the processes this is, from 1; null: it is alone. */
  readonly number: number | null;
  /** Held while what a name stands for is changed. */
  readonly names: Pick<KeyedMutex, 'run' | 'runAll'>;
  /**
   * The right to the files of the upload or pack `id`, for as long as the process works on it. Waits while
   * another process has it.
   *
   * @param onRecall another process waits for it: it is to be given back soon
   */
  lease(id: string, onRecall: () => void): Promise<Release>;
  /** The same, but null where another process has it. */
  tryLease(id: string): Promise<Release | null>;
}

const nothingToRelease = () => {};

/** Those of a process that is alone. */
export function ownLocks(): ProcessLocks {
  return {
    number: null,
    names: new KeyedMutex(),
    lease: async () => nothingToRelease,
    tryLease: async () => nothingToRelease,
  };
}
