/**
 * Whole-file SHA-256, off the event loop. Threads of its own, started on demand
 * and ended when idle: the pool's threads work in slices of milliseconds, and a
 * hash cannot move between threads.
 */
import { Piscina } from 'piscina';
import { TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { HashJob, HashResult, HashSetup } from './job.ts';
import { workerFile } from './worker-file.ts';

const IDLE_TIMEOUT_MS = 10_000;

/** One is left for uploads, which wait for it, while two digests of large files are computed. */
const MAX_THREADS = 3;

export class HashPool {
  readonly #piscina: Piscina<HashJob, HashResult>;
  readonly #stop = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);

  constructor(niceness: number, logger: Logger) {
    const setup: HashSetup = { niceness, stop: this.#stop };
    this.#piscina = new Piscina<HashJob, HashResult>({
      filename: workerFile('hash-file'),
      minThreads: 0,
      maxThreads: MAX_THREADS,
      idleTimeout: IDLE_TIMEOUT_MS,
      workerData: setup,
    });
    this.#piscina.on('error', (error: unknown) => logger.error({ err: error }, 'hash thread failed'));
  }

  /** The SHA-256 of the first `size` bytes of `fd`. Throws DATA_LOSS where they cannot be read, UNAVAILABLE after `stop`. */
  async sha256(fd: number, size: number): Promise<Uint8Array> {
    const result = await this.#piscina.run({ fd, size });
    if (result.kind === 'hashed') return result.sha256;
    if (result.errno === 'ECANCELED')
      throw new TransferError('UNAVAILABLE', 'the server is stopping; resume');
    throw new TransferError('DATA_LOSS', `stored bytes cannot be read (${result.errno})`);
  }

  async stop(): Promise<void> {
    Atomics.store(new Int32Array(this.#stop), 0, 1);
    await this.#piscina.destroy();
  }
}
