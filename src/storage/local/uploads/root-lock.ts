/**
 * One server at a time takes uploads for a root: two would repair and remove each
 * other's uploads. The lock is a file in the root that no name of a peer can
 * reach. It guards against a mistake, so a server that cannot make the lock logs
 * that and goes on.
 *
 * A server with several processes has one lock for all of them, and one for each:
 * a process may outlive the one that started it, and write for a moment still.
 */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { RefCountedResource } from '../../../base/async/ref-counted-resource.ts';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { FileLock, type LockHolder, type LockOptions } from '../../../base/files/file-lock.ts';
import { LOCK_WATCH_MS, MAX_PROCESSES } from '../../../base/limits.ts';
import type { Logger } from '../../../base/logger.ts';
import type { UploadContext } from './options.ts';

const ENTRY = '.sluice-lock';

/** Twice, because a process is replaced by one that starts before it ends. */
const MAX_NUMBER = 2 * MAX_PROCESSES;

/** A process whose parent is gone ends at once, as soon as its system calls return. */
const LEFT_BEHIND_MS = 5_000;
const LOOK_AGAIN_MS = 50;

/** What is locked, and as whom. */
export interface LockPlace extends Pick<UploadContext, 'root' | 'rootUse' | 'logger'> {
  /** Of one of several processes; null: the lock of the server. */
  readonly number: number | null;
  /** Default: LOCK_BEAT_MS. */
  readonly beatMs?: number | undefined;
}

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
  static async acquire(place: LockPlace): Promise<RootLock> {
    const { root, rootUse, logger, number } = place;
    const lock = new RootLock(rootUse, logger);
    const path = root.directory.pathOf(entryOf(number));
    try {
      lock.#lock = await FileLock.acquire(path, lock.#options(place));
      if (number === null) await lock.#outlive(place);
    } catch (reason) {
      await lock.release();
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

  #options({ beatMs }: LockPlace): LockOptions {
    return {
      refuse: heldBy,
      onWatch: (holder) => this.#logger.warn({ holder }, watching(holder)),
      onLost: () => this.#lost(),
      ...(beatMs === undefined ? {} : { beatMs }),
    };
  }

  /** Waits until no process of an earlier server is left that may still write. */
  async #outlive(place: LockPlace): Promise<void> {
    const { onLost: _, ...options } = this.#options(place);
    for (let number = 1; number <= MAX_NUMBER; number += 1) {
      const path = place.root.directory.pathOf(entryOf(number));
      for (const endMs = performance.now() + LEFT_BEHIND_MS; existsSync(path); ) {
        try {
          await (await FileLock.acquire(path, options)).release();
        } catch (reason) {
          if (performance.now() > endMs) throw reason;
          await delay(LOOK_AGAIN_MS);
        }
      }
    }
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

function entryOf(number: number | null): string {
  return number === null ? ENTRY : `${ENTRY}.${number}`;
}

function heldBy({ pid, host, since }: LockHolder): TransferError {
  const remedy = 'stop it, serve another directory, or leave out --writable';
  const message = `another server, process ${pid} on ${host}, has taken uploads for this directory since ${since}; ${remedy} (if that process does something else, remove ${ENTRY} from the directory)`;
  return new TransferError('INVALID_CONFIG', message);
}

function watching({ pid, host, since }: LockHolder): string {
  return `process ${pid} on ${host} has taken uploads for this directory since ${since}; waiting ${LOCK_WATCH_MS / 1000} s to see whether it still runs`;
}
