/**
 * Runs the transfers of a plan, a few at a time. One failing file does not stop
 * the others, unless they would fail for the same reason.
 */
import { type ErrorCode, TransferError } from '../base/errors.ts';
import { type ProgressDisplay, ProgressSum } from './progress.ts';

export interface FileJob {
  /** On the server. */
  readonly name: string;
}

export interface FileRunOptions<Job extends FileJob> {
  /** The most files at a time. */
  parallel: number;
  display: ProgressDisplay;
  /** Of all files together; undefined where each tells its own size. */
  plannedBytes: number | undefined;
  /** Failures that the next file would meet as well. */
  stopping: ReadonlySet<ErrorCode>;
  /** Moves one file; tells `sum` when it is done. */
  transfer: (job: Job, sum: ProgressSum) => Promise<void>;
}

interface Failure {
  name: string;
  error: TransferError;
}

/** Resolves when every file is where it should be; throws the first failure once all others have ended. */
export async function runFiles<Job extends FileJob>(
  jobs: readonly Job[],
  options: FileRunOptions<Job>,
): Promise<void> {
  await new FileRun(jobs, options).run();
}

class FileRun<Job extends FileJob> {
  readonly #jobs: readonly Job[];
  readonly #options: FileRunOptions<Job>;
  readonly #sum: ProgressSum;
  readonly #failures: Failure[] = [];
  #nextIndex = 0;
  #isStopping = false;

  constructor(jobs: readonly Job[], options: FileRunOptions<Job>) {
    this.#jobs = jobs;
    this.#options = options;
    this.#sum = new ProgressSum(jobs.length, options.plannedBytes);
  }

  async run(): Promise<void> {
    const lanes = Math.min(this.#options.parallel, this.#jobs.length);
    await Promise.all(Array.from({ length: lanes }, () => this.#lane()));
    const first = this.#failures[0];
    if (first !== undefined) throw this.#summary(first);
  }

  async #lane(): Promise<void> {
    while (!this.#isStopping) {
      const job = this.#jobs[this.#nextIndex];
      if (job === undefined) return;
      this.#nextIndex += 1;
      try {
        await this.#options.transfer(job, this.#sum);
      } catch (reason) {
        this.#failed(job, TransferError.from(reason));
      }
    }
  }

  #failed(job: Job, error: TransferError): void {
    this.#sum.dropped(job);
    this.#failures.push({ name: job.name, error });
    if (this.#options.stopping.has(error.code)) this.#isStopping = true;
    else if (this.#jobs.length > 1) this.#options.display.note(`${job.name}: failed: ${error.message}`);
  }

  #summary({ error, name }: Failure): TransferError {
    if (this.#jobs.length === 1 || error.code === 'CANCELLED') return error;
    const message = `${this.#failures.length} of ${this.#jobs.length} files failed, the first was ${name}: ${error.message}`;
    return new TransferError(error.code, message, { cause: error });
  }
}
