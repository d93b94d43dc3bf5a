/**
 * The files that the scenarios move. Each is made when a scenario first asks
 * for it and is in the page cache afterwards; an existing one of the right
 * size is used again, so that `BENCH_DIR` saves the time to make them.
 */
import { randomBytes, randomFillSync } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIB } from '../../src/base/units.ts';
import { repositoryPath } from './paths.ts';

/** Written at once; not a unit of any meaning. */
const PIECE_BYTES = 16 * MIB;

/** Sizes of neighbours in the tar of both. */
const MEMBER_MIB = [3, 7, 1, 5, 2, 6, 4, 8];

/** What counts as source-like text. */
const SOURCE_NAME = /\.(js|mjs|cjs|ts|md)$/;

export class TestFiles {
  /** The directory that holds the files and that the servers serve. */
  readonly directory: string;
  readonly #isTemporary: boolean;

  /** Files are kept in `keptDirectory`, or removed by `close` when there is none. */
  constructor(keptDirectory: string | undefined) {
    this.#isTemporary = keptDirectory === undefined;
    this.directory = keptDirectory ?? mkdtempSync(join(tmpdir(), 'sluice-bench-'));
    mkdirSync(this.directory, { recursive: true });
  }

  /** A file of bytes that no compression makes smaller. Returns its name. */
  async random(sizeBytes: number): Promise<string> {
    const piece = Buffer.alloc(PIECE_BYTES);
    return this.#make(`random-${sizeBytes / MIB}MiB.bin`, sizeBytes, () => randomFillSync(piece));
  }

  /** A file of program text: the sources of our dependencies, as often as it takes. Returns its name. */
  async text(sizeBytes: number): Promise<string> {
    const sources = collectSources(repositoryPath('node_modules'));
    let next = 0;
    return this.#make(`text-${sizeBytes / MIB}MiB.txt`, sizeBytes, async () => {
      const source = sources[next % sources.length] as string;
      next += 1;
      return readFile(source);
    });
  }

  /** Program text and random bytes in turn, in members of one to eight MiB, as in a tar. Returns its name. */
  async both(sizeBytes: number): Promise<string> {
    const text = await readFile(join(this.directory, await this.text(sizeBytes)));
    let next = 0;
    let offset = 0;
    return this.#make(`both-${sizeBytes / MIB}MiB.tar`, sizeBytes, () => {
      const bytes = (MEMBER_MIB[(next >> 1) % MEMBER_MIB.length] as number) * MIB;
      const member = next % 2 === 0 ? text.subarray(offset, offset + bytes) : randomBytes(bytes);
      next += 1;
      offset += bytes;
      return member;
    });
  }

  /** A file of zeros that takes no space on disk. Returns its name. */
  async sparse(sizeBytes: number): Promise<string> {
    const name = `sparse-${sizeBytes / MIB}MiB.bin`;
    const path = join(this.directory, name);
    if (!existsSync(path)) await writeFile(path, '');
    await truncate(path, sizeBytes);
    return name;
  }

  /** A tree of files of random bytes, `perDirectory` in each directory. Returns its name. */
  async tree(files: number, perDirectory: number, fileBytes: number): Promise<string> {
    const name = `tree-${files}x${fileBytes}`;
    const path = join(this.directory, name);
    if (existsSync(path)) return name;
    const unfinished = mkdtempSync(join(this.directory, 'unfinished-'));
    for (let made = 0; made < files; made += 1) {
      const directory = join(unfinished, `dir-${Math.floor(made / perDirectory)}`);
      if (made % perDirectory === 0) mkdirSync(directory);
      await writeFile(join(directory, `file-${made % perDirectory}.bin`), randomBytes(fileBytes));
    }
    renameSync(unfinished, path);
    return name;
  }

  /** Removes one file, and with it what it takes of the page cache. */
  remove(name: string): void {
    rmSync(join(this.directory, name), { force: true });
  }

  close(): void {
    if (this.#isTemporary) rmSync(this.directory, { recursive: true, force: true });
  }

  async #make(
    name: string,
    sizeBytes: number,
    nextPiece: () => Uint8Array | Promise<Uint8Array>,
  ): Promise<string> {
    const path = join(this.directory, name);
    if (!existsSync(path) || statSync(path).size !== sizeBytes) {
      const file = await open(path, 'w');
      try {
        for (let written = 0; written < sizeBytes; ) {
          const piece = await nextPiece();
          const length = Math.min(piece.length, sizeBytes - written);
          await file.writeFile(piece.subarray(0, length));
          written += length;
        }
      } finally {
        await file.close();
      }
    }
    await readThrough(path);
    return name;
  }
}

/** Brings a file into the page cache. */
async function readThrough(path: string): Promise<void> {
  for await (const _ of createReadStream(path, { highWaterMark: MIB }));
}

/** The paths of all program text below `directory`, in the same order on every run with the same dependencies. */
export function collectSources(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && SOURCE_NAME.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
