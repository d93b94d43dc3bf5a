/** Small files from a server to here, a pack at a time. */
import { randomBytes } from 'node:crypto';
import { TransferError } from '../../base/errors.ts';
import { packLimits } from '../exchange/requests/limits.ts';
import { type PackedContent, readPack } from '../exchange/requests/pack-read.ts';
import type { SluiceSession } from '../exchange/session.ts';
import { Bursts } from './bursts.ts';
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

export class PackFetcher {
  readonly #session: SluiceSession;
  readonly #options: PackFetchOptions;
  readonly #stagings = new Map<string, Staging>();
  readonly #bursts = new Bursts();

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
      while (this.#bursts.isOver) await this.#bursts.next();
      if (content === undefined) done(file, 'single');
      else done(file, this.#write(file, content, overwrite));
    }
  }

  async close(): Promise<void> {
    for (const staging of this.#stagings.values()) staging.close();
    this.#stagings.clear();
    await this.#session[Symbol.asyncDispose]();
  }

  #write(file: FileToFetch, { bytes, codecs }: NonNullable<PackedContent>, overwrite: boolean): PackOutcome {
    try {
      const isWritten = this.#stagingIn(file.tree).write(file, bytes, overwrite);
      return isWritten ? { version: file.version, codecs } : 'single';
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
