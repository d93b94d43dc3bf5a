/**
 * A mutex across processes and hosts. The lock is a file created exclusively that
 * names its holder, so that the lock of a killed process is recognised and taken
 * over. A holder on another host or in another container proves that it lives by
 * touching the file. Nothing is synced: after a power cut every lock is stale.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm, utimes } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import { errnoOf, TransferError } from '../errors.ts';
import { LOCK_BEAT_MS, LOCK_OLD_MS, LOCK_WATCH_MS, LOCK_WRITE_GRACE_MS } from '../limits.ts';
import { checkedJson, type Zod } from './checked-json.ts';
import { isRunning, isVisible, processIdentitySchema, thisProcess } from './process-identity.ts';

const holderSchema = (zod: Zod) =>
  processIdentitySchema(zod).extend({
    /** Since when it has the lock, by its clock. */
    since: zod.iso.datetime(),
    /** Tells two locks of one process apart. */
    token: zod.string(),
  });

export type LockHolder = z.infer<ReturnType<typeof holderSchema>>;

export interface LockOptions {
  /** The error to throw when somebody else holds the lock. */
  refuse: (holder: LockHolder) => TransferError;
  /** The holder is out of sight, and is watched for up to `watchMs`. */
  onWatch?: (holder: LockHolder) => void;
  /** Another process took the lock for stale and removed it, because this one seemed dead. */
  onLost?: () => void;
  /** Default: LOCK_BEAT_MS. */
  beatMs?: number;
  /** Default: LOCK_WATCH_MS. */
  watchMs?: number;
}

interface Sight {
  readonly content: string;
  readonly ino: bigint;
  readonly mtimeNs: bigint;
}

/** Between removing a stale lock and creating our own, another process may create and release its own. */
const MAX_ROUNDS = 10;

/** How every lock file begins. */
const BEGINNING = '{"host":';

/** How often a lock that is being written or watched is read again. */
const LOOK_AGAIN_MS = 20;

export class FileLock {
  readonly #path: string;
  readonly #content: string;
  readonly #onLost: (() => void) | undefined;
  readonly #timer: NodeJS.Timeout;
  #beating: Promise<void> | undefined;

  private constructor(path: string, content: string, { beatMs = LOCK_BEAT_MS, onLost }: LockOptions) {
    this.#path = path;
    this.#content = content;
    this.#onLost = onLost;
    this.#timer = setInterval(() => {
      this.#beating ??= this.#beat().finally(() => {
        this.#beating = undefined;
      });
    }, beatMs).unref();
  }

  /**
   * Waits only for a holder that cannot be seen, until it shows that it lives or does
   * not in time. Throws what `refuse` returns; system errors pass through.
   */
  static async acquire(path: string, options: LockOptions): Promise<FileLock> {
    const holder: LockHolder = {
      ...(await thisProcess()),
      since: new Date().toISOString(),
      token: randomUUID(),
    };
    const content = `${JSON.stringify(holder)}\n`;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (await createNew(path, content)) return new FileLock(path, content, options);
      const stale = await staleSight(path, options);
      if (stale !== undefined) await removeStale(path, stale, options);
    }
    throw new TransferError('LOCAL_IO', `${path} keeps changing owners; try again`);
  }

  /** Removes the lock if it is still this one; safe to call twice. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
    if (await this.isHeld()) await rm(this.#path, { force: true });
  }

  /** False when another process took the lock for stale and removed it. */
  async isHeld(): Promise<boolean> {
    return (await look(this.#path))?.content === this.#content;
  }

  async #beat(): Promise<void> {
    try {
      if (await this.isHeld()) {
        const now = new Date();
        await utimes(this.#path, now, now);
        return;
      }
    } catch {
      // The next beat may succeed. If another process takes the lock before, the beat after that finds out.
      return;
    }
    clearInterval(this.#timer);
    this.#onLost?.();
  }
}

/**
 * Looking again and removing must be one step, or a lock taken in between would be
 * removed: only who holds the guard, a lock as well, may do it.
 */
async function removeStale(
  path: string,
  stale: Sight,
  { onLost: _, ...options }: LockOptions,
): Promise<void> {
  const guard = await FileLock.acquire(`${path}.guard`, options);
  try {
    const now = await look(path);
    if (now !== undefined && isSame(now, stale)) await rm(path, { force: true });
  } finally {
    await guard.release();
  }
}

/** The lock, when it may be removed; undefined when it has changed or gone meanwhile. */
async function staleSight(path: string, options: LockOptions): Promise<Sight | undefined> {
  const sight = await finishedSight(path);
  const holder = sight === undefined ? undefined : await parseHolder(sight.content);
  if (sight === undefined || holder === undefined) return sight;
  if (await isVisible(holder)) {
    if (await isRunning(holder)) throw options.refuse(holder);
    return sight;
  }
  if (ageMsOf(sight) > LOCK_OLD_MS) return sight;
  options.onWatch?.(holder);
  if (await isBeating(path, sight, options.watchMs ?? LOCK_WATCH_MS)) throw options.refuse(holder);
  return sight;
}

/** Waits while the lock is being written; one that stays without a holder was left by a process killed in that instant. */
async function finishedSight(path: string): Promise<Sight | undefined> {
  for (;;) {
    const sight = await look(path);
    if (sight === undefined || (await parseHolder(sight.content)) !== undefined) return sight;
    if (!isBegun(sight.content)) {
      throw new TransferError('LOCAL_IO', `${path} is not a lock file; move it away`);
    }
    if (ageMsOf(sight) > LOCK_WRITE_GRACE_MS) return sight;
    await delay(LOOK_AGAIN_MS);
  }
}

/** Whether the lock is touched by its holder within `watchMs`; false too when it is gone or another's by then. */
async function isBeating(path: string, first: Sight, watchMs: number): Promise<boolean> {
  for (const endMs = performance.now() + watchMs; performance.now() < endMs; ) {
    await delay(LOOK_AGAIN_MS);
    const now = await look(path);
    if (now === undefined || now.content !== first.content) return false;
    if (!isSame(now, first)) return true;
  }
  return false;
}

function isSame(a: Sight, b: Sight): boolean {
  return a.ino === b.ino && a.mtimeNs === b.mtimeNs && a.content === b.content;
}

/** False when the file exists. */
async function createNew(path: string, content: string): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'wx');
  } catch (reason) {
    if (errnoOf(reason) === 'EEXIST') return false;
    throw reason;
  }
  try {
    await handle.writeFile(content);
    return true;
  } catch (reason) {
    // Ours, and empty: on a full disk it would stand in the way of the next try.
    await rm(path, { force: true }).catch(() => {});
    throw reason;
  } finally {
    await handle.close();
  }
}

/** Undefined when there is no lock. Opening it is what makes a network file system ask for its present state. */
async function look(path: string): Promise<Sight | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path);
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
  try {
    const { ino, mtimeNs } = await handle.stat({ bigint: true });
    return { content: await handle.readFile('utf8'), ino, mtimeNs };
  } finally {
    await handle.close();
  }
}

/** What a killed process or a power cut may leave of a lock: nothing, its beginning, or zeros. */
function isBegun(content: string): boolean {
  return /^\0*$/.test(content) || content.startsWith(BEGINNING) || BEGINNING.startsWith(content);
}

async function parseHolder(content: string): Promise<LockHolder | undefined> {
  try {
    return await checkedJson(content, holderSchema);
  } catch {
    return undefined;
  }
}

/** Milliseconds since the last write or beat, or until then where a clock was set back. */
function ageMsOf({ mtimeNs }: Sight): number {
  return Math.abs(Date.now() - Number(mtimeNs / 1_000_000n));
}
