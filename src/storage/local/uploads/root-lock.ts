/**
 * One server at a time takes uploads for a root: two would repair and remove each
 * other's uploads. The lock is a file in the root that no name of a peer can
 * reach. It guards against a mistake, so a server that cannot make the lock logs
 * that and goes on.
 */
import type { RefCountedResource } from '../../../base/async/ref-counted-resource.ts';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { FileLock, type LockHolder } from '../../../base/files/file-lock.ts';
import { LOCK_WATCH_MS } from '../../../base/limits.ts';
import type { Logger } from '../../../base/logger.ts';
import type { UploadContext } from './options.ts';

const ENTRY = '.sluice-lock';

export class RootLock {
  readonly #rootUse: RefCountedResource;
  readonly #logger: Logger;
  /** Undefined where no lock can be made. */
  #lock: FileLock | undefined;
  #isLost = false;

  private constructor(rootUse: RefCountedResource, logger: Logger) {
    this.#rootUse = rootUse;
    this.#logger = logger;
  }

  /** Throws INVALID_CONFIG, naming the holder, when another server takes uploads for `root`. */
  static async acquire({ root, rootUse, logger, options }: UploadContext): Promise<RootLock> {
    const lock = new RootLock(rootUse, logger);
    const path = root.directory.pathOf(ENTRY);
    const { lockBeatMs: beatMs } = options;
    try {
      lock.#lock = await FileLock.acquire(path, {
        refuse: heldBy,
        onWatch: (holder) => logger.warn({ holder }, watching(holder)),
        onLost: () => lock.#lost(),
        ...(beatMs === undefined ? {} : { beatMs }),
      });
    } catch (reason) {
      if (reason instanceof TransferError) {
        throw new TransferError('INVALID_CONFIG', reason.message.replace(path, ENTRY), { cause: reason });
      }
      logger.warn(
        { err: reason },
        `the directory cannot be locked (${errnoOf(reason) ?? 'unknown error'}); make sure that no other server accepts uploads for it`,
      );
    }
    return lock;
  }

  /** Throws UNAVAILABLE once another server has taken the lock: what is unfinished is that one's. */
  check(): void {
    if (this.#isLost)
      throw new TransferError('UNAVAILABLE', 'another server takes uploads for this directory now');
  }

  #lost(): void {
    this.#isLost = true;
    this.#logger.error(
      {},
      `another server has taken ${ENTRY} of this directory, because this one seemed dead; this one accepts no more uploads: restart the server that should`,
    );
  }

  /** Never rejects: what stays behind is stale with the end of this process. */
  async release(): Promise<void> {
    try {
      await this.#rootUse.use(async () => this.#lock?.release());
    } catch (reason) {
      this.#logger.warn({ err: reason }, `${ENTRY} could not be removed`);
    }
  }
}

function heldBy({ pid, host, since }: LockHolder): TransferError {
  const remedy = 'stop it, serve another directory, or leave out --writable';
  const message = `another server, process ${pid} on ${host}, has taken uploads for this directory since ${since}; ${remedy} (if that process does something else, remove ${ENTRY} from the directory)`;
  return new TransferError('INVALID_CONFIG', message);
}

function watching({ pid, host, since }: LockHolder): string {
  return `process ${pid} on ${host} has taken uploads for this directory since ${since}; waiting ${LOCK_WATCH_MS / 1000} s to see whether it still runs`;
}
