/**
 * A directory known by its path, for systems without `/proc/self/fd/<fd>/<entry>`.
 * Each step refuses symbolic links and checks that it stays in the root. Someone
 * who can change directories on the server while a name is walked can still
 * outrun these checks; on Linux `DescriptorDirectory` leaves no such gap.
 */
import { lstat, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Directory } from './directory.ts';

class PathDirectory implements Directory {
  readonly kind = 'path';
  readonly #rootPath: string;
  readonly #path: string;

  constructor(rootPath: string, path: string) {
    this.#rootPath = rootPath;
    this.#path = path;
  }

  pathOf(entry: string): string {
    return join(this.#path, entry);
  }

  async enter(entry: string): Promise<Directory> {
    const path = this.pathOf(entry);
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) throw systemError('ELOOP');
    if (!stats.isDirectory()) throw systemError('ENOTDIR');
    const realPath = await realpath(path);
    if (!isWithin(realPath, this.#rootPath)) throw systemError('ELOOP');
    return new PathDirectory(this.#rootPath, realPath);
  }

  async close(): Promise<void> {}
}

/** Takes `rootPath`, which is the operator's and may lead through symbolic links. Throws system errors. */
export async function openPathDirectory(rootPath: string): Promise<Directory> {
  const realPath = await realpath(rootPath);
  if (!(await lstat(realPath)).isDirectory()) throw systemError('ENOTDIR');
  return new PathDirectory(realPath, realPath);
}

function isWithin(path: string, rootPath: string): boolean {
  // The separator matters: `/root-evil` starts with `/root`.
  return path === rootPath || path.startsWith(rootPath.endsWith(sep) ? rootPath : rootPath + sep);
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
