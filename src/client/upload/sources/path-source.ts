/**
 * A regular file as the source, pinned to its version at the open: device, inode,
 * size, and the times of the last write and change. Every later write changes the
 * version, so bytes of two versions never meet in one upload.
 */
import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { TransferError } from '../../../base/errors.ts';
import { settledStats } from '../../../base/files/settled-stats.ts';
import { readError } from '../../local-error.ts';
import type { OpenSource, ReadOutcome, SourceIdentity } from './source.ts';

/** Throws LOCAL_IO. The caller has seen that `path` is a regular file. */
export async function openPath(path: string): Promise<PathSource> {
  try {
    return await PathSource.open(await realpath(path));
  } catch (cause) {
    throw readError('cannot open', path, cause);
  }
}

export class PathSource implements OpenSource {
  readonly isSeekable = true;
  readonly isPressed = false;
  onPressed: undefined;
  readonly releasedBytes = 0;
  readonly #path: string;
  #handle: FileHandle;
  #identity: SourceIdentity;
  #isClosed = false;

  private constructor(path: string, handle: FileHandle, identity: SourceIdentity) {
    this.#path = path;
    this.#handle = handle;
    this.#identity = identity;
  }

  /** System errors pass through. */
  static async open(path: string): Promise<PathSource> {
    const handle = await open(path, 'r');
    try {
      return new PathSource(path, handle, identityOf(path, await settledStats(handle.fd)));
    } catch (cause) {
      await handle.close();
      throw cause;
    }
  }

  get size(): number {
    return this.#identity.size;
  }

  get identity(): SourceIdentity {
    return this.#identity;
  }

  async read(target: Uint8Array, offset: number): Promise<ReadOutcome> {
    const wantedBytes = Math.min(target.byteLength, this.size - offset);
    if (wantedBytes <= 0) return 'end';
    let doneBytes = 0;
    while (doneBytes < wantedBytes) {
      const bytesRead = await this.#readOnce(target, doneBytes, wantedBytes - doneBytes, offset + doneBytes);
      if (bytesRead === 0) throw this.#changed(`it ends at ${offset + doneBytes} of ${this.size} bytes`);
      doneBytes += bytesRead;
    }
    return doneBytes;
  }

  async readable(): Promise<void> {}

  isFullAt(): boolean {
    return false;
  }

  release(): void {}

  async checkUnchanged(): Promise<void> {
    const now = identityOf(this.#path, await this.#stats());
    if (now.size !== this.size) throw this.#changed(`it had ${this.size} bytes and now has ${now.size}`);
    const then = this.#identity;
    if (now.mtimeNs !== then.mtimeNs || now.ctimeNs !== then.ctimeNs)
      throw this.#changed('it was written to');
  }

  async reopen(): Promise<boolean> {
    try {
      const next = await PathSource.open(this.#path);
      await this.#handle.close();
      this.#handle = next.#handle;
      this.#identity = next.#identity;
      return true;
    } catch (cause) {
      throw readError('cannot open', this.#path, cause);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#handle.close().catch(() => {});
  }

  async #readOnce(target: Uint8Array, at: number, bytes: number, offset: number): Promise<number> {
    try {
      return (await this.#handle.read(target, at, bytes, offset)).bytesRead;
    } catch (cause) {
      throw readError('cannot read', this.#path, cause);
    }
  }

  async #stats(): Promise<BigIntStats> {
    try {
      return await this.#handle.stat({ bigint: true });
    } catch (cause) {
      throw readError('cannot look at', this.#path, cause);
    }
  }

  #changed(how: string): TransferError {
    return new TransferError('FILE_CHANGED', `${this.#path} changed during the upload: ${how}`);
  }
}

function identityOf(path: string, stats: BigIntStats): SourceIdentity {
  return {
    path,
    ino: String(stats.ino),
    size: Number(stats.size),
    mtimeNs: String(stats.mtimeNs),
    ctimeNs: String(stats.ctimeNs),
  };
}
