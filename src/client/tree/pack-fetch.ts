/** Small files from a server to here, a pack at a time. */
import { randomBytes } from 'node:crypto';
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import { TransferError } from '../../base/errors.ts';
import { packLimits } from '../exchange/requests/limits.ts';
import { readPack } from '../exchange/requests/pack-read.ts';
import type { SluiceSession } from '../exchange/session.ts';
import type { PackOutcome, SmallFile } from './small-file.ts';
import { Staging } from './staging.ts';
import type { TreeClient } from './tree-client.ts';

/** A file of a listing, whose parent directories exist here. */
export interface FileToFetch extends SmallFile {
  readonly version: string;
  readonly modifiedMs: number;
  /** The tree that it goes to. */
  readonly tree: string;
}

export interface PackFetchOptions {
  readonly overwrite: boolean;
  readonly signal: AbortSignal;
}

/** Files are written for so long at a time: the server measures the link by how soon its pings are answered. */
const BURST_MS = 2;

export class PackFetcher {
  readonly #session: SluiceSession;
  readonly #options: PackFetchOptions;
  readonly #stagings = new Map<string, Staging>();
  #burstEndsAtMs = 0;
  #turn: Promise<void> | undefined;

  constructor(client: TreeClient, options: PackFetchOptions) {
    this.#session = client.session();
    this.#options = options;
  }

  /** Checksums are compared, not only sizes. */
  get verifies(): boolean {
    return this.#session.host.options.verify;
  }

  /** The most that one pack may have. Throws UNIMPLEMENTED for a server without packs. */
  limits(): Promise<{ maxFiles: number; maxBytes: number }> {
    return packLimits(this.#session.host, this.#options);
  }

  /** Fetches files, and calls `done` with what became of each. Throws what concerns all that are left. */
  async fetch<File extends FileToFetch>(
    files: readonly File[],
    done: (file: File, outcome: PackOutcome) => void,
  ): Promise<void> {
    const { overwrite, signal } = this.#options;
    const asked = files.map(({ name, size, version }) => ({ fileName: name, size, version }));
    let next = 0;
    for await (const content of readPack(this.#session.host, asked, { signal })) {
      const file = files[next++] as File;
      while (performance.now() >= this.#burstEndsAtMs) await this.#nextBurst();
      if (content === undefined) done(file, 'single');
      else done(file, this.#write(file, content, overwrite));
    }
  }

  async close(): Promise<void> {
    for (const staging of this.#stagings.values()) staging.close();
    this.#stagings.clear();
    await this.#session[Symbol.asyncDispose]();
  }

  /** All packs wait for the same turn. */
  async #nextBurst(): Promise<void> {
    this.#turn ??= turnOfEventLoop().then(() => {
      this.#turn = undefined;
      this.#burstEndsAtMs = performance.now() + BURST_MS;
    });
    await this.#turn;
  }

  #write(file: FileToFetch, content: Uint8Array, overwrite: boolean): PackOutcome {
    try {
      return this.#stagingIn(file.tree).write(file, content, overwrite)
        ? { version: file.version }
        : 'single';
    } catch (reason) {
      return TransferError.from(reason);
    }
  }

  #stagingIn(tree: string): Staging {
    let staging = this.#stagings.get(tree);
    if (staging === undefined) {
      staging = new Staging(tree, randomBytes(4).toString('hex'));
      this.#stagings.set(tree, staging);
    }
    return staging;
  }
}
