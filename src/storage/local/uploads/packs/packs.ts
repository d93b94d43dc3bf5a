/** The packs of a local store that are being written: which there are, how many at once, and their places among the uploads. */
import { Semaphore } from '../../../../base/async/semaphore.ts';
import type { PackJobs } from '../../../pack-jobs.ts';
import type { PackFile, WriteOutcome } from '../../../upload-store.ts';
import type { UploadContext } from '../options.ts';
import { PackWrite } from './pack-write.ts';

/** Enough for a commit of some thousand files while the next ones are collected; each holds open its directories. */
const PACKS_AT_ONCE = 32;

export class Packs {
  readonly #context: UploadContext;
  readonly #requireLock: () => void;
  readonly #semaphore = new Semaphore(PACKS_AT_ONCE);
  readonly #ids = new Set<string>();

  /** `requireLock` throws when the root is not this process's any more. */
  constructor(context: UploadContext, requireLock: () => void) {
    this.#context = context;
    this.#requireLock = requireLock;
  }

  /** It is being written. */
  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Runs the work for one pack when it is its turn. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#semaphore.run(work);
  }

  /** Writes a pack that the index has, and takes it out of there. */
  async write(id: string, files: readonly PackFile[], jobs: PackJobs): Promise<WriteOutcome[]> {
    const { index, now, rootUse } = this.#context;
    this.#ids.add(id);
    try {
      index.checkGrowth(id, jobs.size);
      index.noteOpen(id, { receivedSize: jobs.size, touchedMs: now() });
      return await rootUse.use(() => new PackWrite(this.#context, id, files, jobs, this.#requireLock).run());
    } finally {
      this.#ids.delete(id);
      index.forget(id);
    }
  }
}
