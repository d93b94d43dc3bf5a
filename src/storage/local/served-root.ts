/**
 * The served directory, which may be replaced while it is served: a remounted
 * volume, a link to the next release. A descriptor holds the directory, so
 * without another look at its path the old one, or one hidden by a mount, would be
 * served for ever.
 *
 * Invariant: a directory from `current` stays open until its last use has ended.
 */
import { stat } from 'node:fs/promises';
import { RefCountedResource } from '../../base/async/ref-counted-resource.ts';
import { errnoOf, TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Root } from './directory.ts';
import { openRoot } from './root-directory.ts';

/** An open root, and the uses that keep it open. */
export interface HeldRoot {
  readonly root: Root;
  readonly use: RefCountedResource;
}

export interface ServedRootOptions {
  readonly logger: Logger;
  /** How often the path is looked at, at most, in milliseconds: once for all calls of that time. */
  readonly lookEveryMs: number;
}

const GONE = 'the served directory is gone; restore it, or restart the server';
const REPLACED =
  'the served directory was replaced, and this server has uploads in the one before; restart the server';
const UNUSABLE = 'the served directory was replaced by one that cannot be served; see the log of the server';

export class ServedRoot {
  readonly #path: string;
  readonly #options: ServedRootOptions;
  #held: HeldRoot;
  /** Why nothing can be served at the moment. */
  #problem: TransferError | undefined;
  #isPinned = false;
  #isClosed = false;
  #lookedAtMs = performance.now();
  #looking: Promise<void> | undefined;
  readonly #retired = new Set<Promise<void>>();

  /** Takes over `root`, which is open, and closes it. */
  constructor(path: string, root: Root, options: ServedRootOptions) {
    this.#path = path;
    this.#options = options;
    this.#held = held(root);
  }

  /** Throws UNAVAILABLE while the directory is gone, or replaced by one that cannot be served. */
  async current(): Promise<HeldRoot> {
    if (!this.#isClosed && performance.now() - this.#lookedAtMs >= this.#options.lookEveryMs) {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
        this.#lookedAtMs = performance.now();
      });
      await this.#looking;
    }
    if (this.#problem !== undefined) throw this.#problem;
    return this.#held;
  }

  /** The present directory, which from now on no other takes the place of. */
  pin(): HeldRoot {
    this.#isPinned = true;
    return this.#held;
  }

  /** Refuses further uses; resolves when those under way have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#looking;
    await Promise.all([this.#held.use.close(), ...this.#retired]);
  }

  async #look(): Promise<void> {
    const { root } = this.#held;
    let found: { dev: bigint; ino: bigint };
    try {
      found = await stat(this.#path, { bigint: true });
    } catch (reason) {
      // Any other error may pass, and says nothing about the open directory.
      if (errnoOf(reason) === 'ENOENT' || errnoOf(reason) === 'ENOTDIR') this.#cannotServe(GONE, reason);
      return;
    }
    if (found.dev === root.device && found.ino === root.inode) this.#serveAgain();
    else if (this.#isPinned) this.#cannotServe(REPLACED);
    else await this.#replace();
  }

  async #replace(): Promise<void> {
    let next: Root;
    try {
      next = await openRoot(this.#path);
    } catch (reason) {
      this.#cannotServe(UNUSABLE, reason);
      return;
    }
    const retired = this.#held.use.close().finally(() => this.#retired.delete(retired));
    this.#retired.add(retired);
    this.#held = held(next);
    this.#problem = undefined;
    this.#options.logger.warn({ path: this.#path }, 'the served directory was replaced; serving the new one');
  }

  #serveAgain(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#options.logger.warn({ path: this.#path }, 'the served directory is back');
  }

  #cannotServe(message: string, cause?: unknown): void {
    if (this.#problem?.message === message) return;
    this.#problem = new TransferError('UNAVAILABLE', message, { cause });
    this.#options.logger.error({ path: this.#path, ...(cause === undefined ? {} : { err: cause }) }, message);
  }
}

function held(root: Root): HeldRoot {
  return { root, use: new RefCountedResource('the served directory', () => root.directory.close()) };
}
