/**
 * One server at a time takes uploads for a root: two would mend and remove what
 * the other is writing. The lock is a file in the root that no name of a peer can
 * reach. It is there against a mistake, so it keeps nobody out who may be alone:
 * where it cannot be made, or its holder cannot be judged, the log says so.
 */
import { errnoOf, TransferError } from '../../base/errors.ts';
import { FileLock, type LockHolder } from '../../base/file-lock.ts';
import type { Logger } from '../../base/logger.ts';
import { isOfThisHost } from '../../base/process-identity.ts';
import type { Root } from '../directory.ts';
import type { SharedResource } from '../shared-resource.ts';

const ENTRY = '.sluice-lock';

export class RootLock {
  /** Undefined where none can be made. */
  readonly #lock: FileLock | undefined;
  readonly #rootUse: SharedResource;
  readonly #logger: Logger;

  private constructor(lock: FileLock | undefined, rootUse: SharedResource, logger: Logger) {
    this.#lock = lock;
    this.#rootUse = rootUse;
    this.#logger = logger;
  }

  /** Throws INVALID_CONFIG, naming the holder, when another server of this host takes uploads for `root`. */
  static async acquire(root: Root, rootUse: SharedResource, logger: Logger): Promise<RootLock> {
    let stranger: LockHolder | undefined;
    const refuse = (holder: LockHolder) => {
      if (isOfThisHost(holder)) return heldBy(holder);
      stranger = holder;
      return undefined;
    };
    let lock: FileLock | undefined;
    try {
      lock = await FileLock.acquire(root.directory.pathOf(ENTRY), refuse);
    } catch (reason) {
      if (reason instanceof TransferError) throw reason;
      logger.warn(
        { err: reason },
        `the directory cannot be locked (${errnoOf(reason) ?? 'unknown error'}); see to it that no other server takes uploads for it`,
      );
    }
    if (stranger !== undefined) logger.warn({ holder: stranger }, takenOver(stranger));
    return new RootLock(lock, rootUse, logger);
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
  const remedy = 'stop it, serve another directory, or do without --writable';
  const message = `another server, process ${pid} on ${host}, has taken uploads for this directory since ${since}; ${remedy} (if that process does something else, remove ${ENTRY} from the directory)`;
  return new TransferError('INVALID_CONFIG', message);
}

function takenOver({ pid, host, since }: LockHolder): string {
  return `process ${pid} on ${host} took uploads for this directory from ${since} on and has not stopped cleanly; if it still runs, stop it or this server`;
}
