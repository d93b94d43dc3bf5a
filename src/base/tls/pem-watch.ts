/**
 * Reads PEM files again every second, by content: time stamps miss quick changes,
 * and file watches miss the exchanged symbolic links of a Kubernetes secret.
 *
 * Invariant: what is in use always belongs together. Files that cannot be used
 * change nothing.
 */
import type { SecureContextOptions } from 'node:tls';
import { Mutex } from '../async/mutex.ts';
import { TransferError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { contextOf, expiryOf, type PemFiles, type PemPaths, readPemFiles } from './pem-files.ts';

const LOOK_EVERY_MS = 1000;

export class PemWatch {
  readonly #use: (context: SecureContextOptions) => void;
  readonly #logger: Logger;
  readonly #turn = new Mutex();
  #paths: PemPaths;
  /** The files as they were used, or found useless, the last time. */
  #judged: string;
  /** The files at the last look. */
  #seen = '';
  #inUse: string;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /**
   * @param files in use, as the paths held them
   * @param use called with each later context
   */
  constructor(
    paths: PemPaths,
    { digest }: PemFiles,
    logger: Logger,
    use: (context: SecureContextOptions) => void,
  ) {
    this.#paths = paths;
    this.#inUse = digest;
    this.#judged = digest;
    this.#logger = logger;
    this.#use = use;
  }

  /** Looks at the files from now on, until `close`. Does not keep the process alive. */
  follow(): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#turn.run(() => this.#look()).then(() => this.follow());
    }, LOOK_EVERY_MS).unref();
  }

  /** Safe to call twice. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /**
   * Reads the files that are at `paths` from now on, and uses them at once. Throws INVALID_CONFIG, and changes
   * nothing, where they are no use. Returns until when they are valid; null where they are those in use.
   */
  async reload(paths: PemPaths): Promise<string | null> {
    return await this.#turn.run(async () => {
      const renewed = this.#renew(await readPemFiles(paths));
      this.#paths = paths;
      return renewed;
    });
  }

  /** What is the same at two looks is not being written any more. Does not reject. */
  async #look(): Promise<void> {
    const found = await readPemFiles(this.#paths).catch((reason: unknown) => TransferError.from(reason));
    const now = found instanceof TransferError ? found.message : found.digest;
    if (now === this.#seen && now !== this.#judged) this.#judge(found);
    this.#seen = now;
  }

  #judge(found: PemFiles | TransferError): void {
    try {
      if (found instanceof TransferError) {
        this.#judged = found.message;
        throw found;
      }
      const renewed = this.#renew(found);
      if (renewed !== null) this.#logger.info({}, `certificates were renewed: ${renewed}`);
    } catch (reason) {
      const problem = TransferError.from(reason).message;
      this.#logger.warn({ problem }, 'the certificate files cannot be used; the last good ones stay in use');
    }
  }

  #renew(files: PemFiles): string | null {
    this.#judged = files.digest;
    const context = contextOf(files);
    if (files.digest === this.#inUse) return null;
    this.#use(context);
    this.#inUse = files.digest;
    return `valid until ${expiryOf(files)}`;
  }
}
