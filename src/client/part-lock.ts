/**
 * One download at a time for each part. The lock is a file created exclusively;
 * it names its holder by host, process id and start time, so that one left
 * behind by a killed process is recognised and taken over.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { errnoOf, TransferError } from '../base/errors.ts';
import { LOCK_WRITE_GRACE_MS } from './limits.ts';

const HolderSchema = z.object({
  host: z.string(),
  pid: z.int().min(1),
  /** Boot and start of the process; empty where there is no /proc. */
  startedAt: z.string(),
  /** Tells two locks of one process apart. */
  token: z.string(),
});

/** Between removing a stale lock and creating our own, somebody else may create theirs; then they win. */
const MAX_ROUNDS = 2;

export class PartLock {
  readonly #path: string;
  readonly #content: string;

  private constructor(path: string, content: string) {
    this.#path = path;
    this.#content = content;
  }

  /** Throws LOCAL_IO, naming the holder, when somebody else has the lock; system errors pass through. */
  static async acquire(path: string): Promise<PartLock> {
    const self = {
      host: hostname(),
      pid: process.pid,
      startedAt: await startOf(process.pid),
      token: randomUUID(),
    };
    const lock = new PartLock(path, `${JSON.stringify(self)}\n`);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (await createNew(path, lock.#content)) return lock;
      await lock.#clearStale();
    }
    throw heldBy(path, 'other downloads');
  }

  /** Removes the lock if it is still this one; safe to call twice. */
  async release(): Promise<void> {
    if (await this.isHeld()) await rm(this.#path, { force: true });
  }

  /** Nobody took the lock for stale and removed it. */
  async isHeld(): Promise<boolean> {
    return (await contentOf(this.#path)) === this.#content;
  }

  /**
   * Removes a lock whose holder is gone; throws when the holder is alive. Looking
   * and removing must be one step, or a lock taken in between would be removed:
   * only who has created the guard may do it.
   */
  async #clearStale(): Promise<void> {
    const guard = `${this.#path}.guard`;
    await throwIfAlive(this.#path);
    if (!(await createNew(guard, this.#content))) {
      await removeAbandoned(guard);
      throw heldBy(this.#path, 'a process that is just starting');
    }
    try {
      await throwIfAlive(this.#path);
      await rm(this.#path, { force: true });
    } finally {
      await rm(guard, { force: true });
    }
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

/** A guard exists for an instant; an old one belonged to a process killed in that instant. */
async function removeAbandoned(guard: string): Promise<void> {
  if ((await ageMsOf(guard)) > LOCK_WRITE_GRACE_MS) await rm(guard, { force: true });
}

/** Milliseconds since the last write; 0 when there is no file. */
async function ageMsOf(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch {
    return 0;
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

/** Throws LOCAL_IO, naming the holder, unless the lock is gone or stale. */
async function throwIfAlive(path: string): Promise<void> {
  const content = await contentOf(path);
  if (content === undefined) return;
  const holder = parseHolder(content);
  if (holder === undefined) {
    if ((await ageMsOf(path)) < LOCK_WRITE_GRACE_MS) throw heldBy(path, 'a process that is just starting');
  } else if (holder.host !== hostname()) {
    throw heldBy(path, `process ${holder.pid} on ${holder.host}`);
  } else if (isRunning(holder.pid) && (await startOf(holder.pid)) === holder.startedAt) {
    throw heldBy(path, `process ${holder.pid}`);
  }
}

function parseHolder(content: string): z.infer<typeof HolderSchema> | undefined {
  try {
    return HolderSchema.parse(JSON.parse(content));
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (reason) {
    return errnoOf(reason) === 'EPERM';
  }
}

/**
 * What distinguishes a process from a later one with its id: the boot and the
 * start in clock ticks. Empty for one that has ended and is only not collected yet.
 */
async function startOf(pid: number): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const stats = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command's name is in parentheses and may contain anything; after it the state is first, the start 20th.
    const fields = stats.slice(stats.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? '' : `${boot.trim()}/${fields[19]}`;
  } catch {
    return '';
  }
}

function heldBy(path: string, holder: string): TransferError {
  return new TransferError(
    'LOCAL_IO',
    `${holder} is already downloading to this file; wait for it, or remove ${path} if it is gone`,
  );
}
