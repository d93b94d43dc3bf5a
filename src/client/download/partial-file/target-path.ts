/**
 * Where a download to a path ends up, and the files beside it:
 *
 *   data.bin             the finished file, nothing else ever
 *   data.bin.part        bytes so far
 *   data.bin.part.json   what of them is durable
 *   data.bin.part.lock   who is writing them
 */
import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { localError } from '../../local-error.ts';

export interface TargetPaths {
  readonly target: string;
  readonly partial: string;
  readonly record: string;
  readonly lock: string;
}

/**
 * The files of a download to `path`, or undefined when there already is
 * something to write into directly: a device, a FIFO. A symbolic link is
 * followed. Throws LOCAL_IO for a directory,
 * ALREADY_EXISTS for a file that must not be replaced.
 */
export async function targetPaths(path: string, overwrite: boolean): Promise<TargetPaths | undefined> {
  const target = await resolved(path);
  const partial = `${target}.part`;
  const paths = { target, partial, record: `${partial}.json`, lock: `${partial}.lock` };
  try {
    const stats = await stat(target);
    if (stats.isDirectory()) throw new TransferError('LOCAL_IO', `${path} is a directory; name a file in it`);
    if (!stats.isFile()) return undefined;
    if (!overwrite) throw existsAlready(path);
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw localError('cannot look at', path, cause);
  }
  return paths;
}

async function resolved(path: string): Promise<string> {
  try {
    // Only for links: some systems would return the stored spelling of the name instead.
    if ((await lstat(path)).isSymbolicLink()) return await realpath(path);
    return join(await realpath(dirname(path)), basename(path));
  } catch {
    // Nothing is there yet, or opening the partial file reports the problem.
    return path;
  }
}

export function existsAlready(path: string): TransferError {
  return new TransferError(
    'ALREADY_EXISTS',
    `${path} exists already; remove it, or allow it to be overwritten`,
  );
}
