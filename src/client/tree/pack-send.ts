/** Small files from here to a server, a pack at a time. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { Mutex } from '../../base/async/mutex.ts';
import { packLimits } from '../exchange/requests/limits.ts';
import { type FileToWrite, writePack } from '../exchange/requests/pack-write.ts';
import type { SluiceSession } from '../exchange/session.ts';
import { Bursts } from './bursts.ts';
import type { PackOutcome, SmallFile } from './small-file.ts';
import type { TreeClient } from './tree-client.ts';

export interface PackSendOptions {
  readonly overwrite: boolean;
  readonly signal: AbortSignal;
}

const READ_FILE = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

export class PackSender {
  readonly #session: SluiceSession;
  readonly #options: PackSendOptions;
  readonly #reading = new Mutex();
  readonly #bursts = new Bursts();

  constructor(client: TreeClient, options: PackSendOptions) {
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

  /** Sends files, and calls `done` with what became of each. Throws what concerns them all. */
  async send<File extends SmallFile>(
    files: readonly File[],
    done: (file: File, outcome: PackOutcome) => void,
  ): Promise<void> {
    const read: File[] = [];
    const wanted: FileToWrite[] = [];
    // One pack after the other: the first one is to be on its way while the next is read.
    await this.#reading.run(async () => {
      for (const file of files) {
        if (this.#bursts.isOver) await this.#bursts.next();
        const bytes = contentOf(file);
        if (bytes === undefined) {
          done(file, 'single');
          continue;
        }
        read.push(file);
        wanted.push(this.#wanted(file, bytes));
      }
    });
    if (wanted.length === 0) return;
    const { signal } = this.#options;
    const results = await writePack(this.#session.host, wanted, { signal });
    for (const [index, result] of results.entries())
      done(read[index] as File, 'version' in result ? result : 'single');
  }

  #wanted({ mode, modifiedMs, name }: SmallFile, bytes: Uint8Array): FileToWrite {
    const { overwrite } = this.#options;
    return { name, bytes, overwrite, modifiedMs, ...(mode === undefined ? {} : { mode: mode & 0o777 }) };
  }

  async close(): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}

/** All bytes of a file; undefined where it cannot be read, or is not what it was when it was found. */
function contentOf({ path, size }: SmallFile): Uint8Array | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, READ_FILE);
    const before = fstatSync(fd);
    if (!before.isFile() || before.size !== size) return undefined;
    const bytes = Buffer.allocUnsafe(size);
    let filled = 0;
    while (filled < size) {
      const count = readSync(fd, bytes, filled, size - filled, filled);
      if (count === 0) return undefined;
      filled += count;
    }
    return isSame(before, fstatSync(fd)) ? bytes : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function isSame(before: Stats, now: Stats): boolean {
  return before.size === now.size && before.mtimeMs === now.mtimeMs && before.ctimeMs === now.ctimeMs;
}
