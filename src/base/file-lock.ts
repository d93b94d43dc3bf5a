/**
 * One holder at a time, across processes. The lock is a file created exclusively;
 * it names its holder, so that one left behind by a killed process is recognised
 * and taken over. Nothing is done on behalf of the holder while it is held, and
 * nothing is synced: after a power cut every lock is stale.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { errnoOf, TransferError } from './errors.ts';
import { LOCK_WRITE_GRACE_MS } from './limits.ts';
import { isOfThisHost, isRunning, processIdentitySchema, thisProcess } from './process-identity.ts';

const holderSchema = processIdentitySchema.extend({
  /** Since when it has the lock, by its clock. */
  since: z.iso.datetime(),
  /** Tells two locks of one process apart. */
  token: z.string(),
});

export type LockHolder = z.infer<typeof holderSchema>;

/**
 * What to do about a holder that runs, or that is of another host and cannot be
 * judged: the error to throw, or undefined to take the lock over. May be asked more than once.
 */
export type Refusal = (holder: LockHolder) => TransferError | undefined;

/** Between removing a stale lock and creating our own, somebody else may create theirs, and be gone again. */
const MAX_ROUNDS = 10;

/** How often a lock is looked at that is being written. */
const LOOK_AGAIN_MS = 20;

export class FileLock {
  readonly #path: string;
  readonly #content: string;

  private constructor(path: string, content: string) {
    this.#path = path;
    this.#content = content;
  }

  /** Never waits for a holder. Throws what `refuse` returns; system errors pass through. */
  static async acquire(path: string, refuse: Refusal): Promise<FileLock> {
    const holder: LockHolder = {
      ...(await thisProcess()),
      since: new Date().toISOString(),
      token: randomUUID(),
    };
    const content = `${JSON.stringify(holder)}\n`;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (await createNew(path, content)) return new FileLock(path, content);
      if (await isStale(path, refuse)) await removeStale(path, refuse);
    }
    throw new TransferError('LOCAL_IO', `${path} changes hands all the time; try again`);
  }

  /** Removes the lock if it is still this one; safe to call twice. */
  async release(): Promise<void> {
    if (await this.isHeld()) await rm(this.#path, { force: true });
  }

  /** Nobody took the lock for stale and removed it. */
  async isHeld(): Promise<boolean> {
    return (await contentOf(this.#path)) === this.#content;
  }
}

/**
 * Looking and removing must be one step, or a lock taken in between would be
 * removed: only who holds the guard, a lock as well, may do it.
 */
async function removeStale(path: string, refuse: Refusal): Promise<void> {
  const guard = await FileLock.acquire(`${path}.guard`, refuse);
  try {
    if (await isStale(path, refuse)) await rm(path, { force: true });
  } finally {
    await guard.release();
  }
}

/** Whether there is a lock that may be removed. */
async function isStale(path: string, refuse: Refusal): Promise<boolean> {
  const holder = await holderOf(path);
  if (holder === 'nobody') return false;
  if (holder === 'unfinished' || (isOfThisHost(holder) && !(await isRunning(holder)))) return true;
  const error = refuse(holder);
  if (error !== undefined) throw error;
  return true;
}

/** Waits while the lock is being written; one that stays without a holder was left by a process killed in that instant. */
async function holderOf(path: string): Promise<LockHolder | 'nobody' | 'unfinished'> {
  for (;;) {
    const content = await contentOf(path);
    if (content === undefined) return 'nobody';
    const holder = parseHolder(content);
    if (holder !== undefined) return holder;
    if ((await ageMsOf(path)) > LOCK_WRITE_GRACE_MS) return 'unfinished';
    await delay(LOOK_AGAIN_MS);
  }
}

/** False when there is such a file already. */
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

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
}

function parseHolder(content: string): LockHolder | undefined {
  try {
    return holderSchema.parse(JSON.parse(content));
  } catch {
    return undefined;
  }
}

/** Milliseconds since the last write, or until then where a clock was set back; 0 when there is no file. */
async function ageMsOf(path: string): Promise<number> {
  try {
    return Math.abs(Date.now() - (await stat(path)).mtimeMs);
  } catch {
    return 0;
  }
}
