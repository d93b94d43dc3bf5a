/**
 * Where downloaded files may go. Names from a server are not trusted: nothing is
 * written outside the target directory, neither by the spelling of a name nor
 * through an existing symbolic link.
 */
import { lstat, mkdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { refuseOtherSpelling } from '../../download/partial-file/publish.ts';
import { localError } from '../../local-error.ts';

/** Characters that no name should have, or that are separators on some system. */
const FORBIDDEN = /[\p{Cc}\\]/u;

/** Windows reads these as a drive, stream, pattern or device, or drops them at the end of a name. */
const FORBIDDEN_ON_WINDOWS = /[<>:"|?*]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/**
 * The path below `directory` for a `/`-separated name. Throws LOCAL_IO for a name that could lead out, or that
 * this platform cannot hold.
 */
export function pathBelow(
  directory: string,
  name: string,
  platform: NodeJS.Platform = process.platform,
): string {
  const components = name.split('/');
  const isBad = components.some(
    (each) =>
      each === '' ||
      each === '.' ||
      each === '..' ||
      FORBIDDEN.test(each) ||
      (platform === 'win32' && FORBIDDEN_ON_WINDOWS.test(each)),
  );
  if (isBad) {
    throw new TransferError(
      'LOCAL_IO',
      `the server names a file ${JSON.stringify(name)}, which is not a valid local name; it is not written`,
    );
  }
  return join(directory, ...components);
}

/**
 * Makes the directories above `path` and makes certain that writing to `path`
 * stays inside `directory`: no symbolic link on the way leads out, and a link
 * or a device at the end is not written through. Throws LOCAL_IO.
 */
export async function preparePlace(directory: string, path: string): Promise<void> {
  await prepareDirectory(directory, dirname(path));
  const found = await asLocalIo('cannot look at', path, () => lstat(path).catch(ignoreMissing));
  if (found === undefined || found.isFile()) return;
  throw new TransferError('LOCAL_IO', `${path} exists and is not a regular file; nothing is written to it`);
}

/**
 * Makes the directory `path` and those above it, and makes certain that they are inside `directory`: no symbolic
 * link leads out. True when `path` is new; it then has `mode`, less the umask. Throws LOCAL_IO.
 */
export async function prepareDirectory(directory: string, path: string, mode = 0o777): Promise<boolean> {
  const top = await prepareTop(directory);
  let at = resolve(directory);
  let isNew = false;
  const components = relative(directory, path).split(sep).filter(Boolean);
  for (const [index, component] of components.entries()) {
    at = join(at, component);
    isNew = await prepareBelow(top, at, index === components.length - 1 ? mode : undefined);
  }
  return isNew;
}

/** Makes the top of a tree. Its path without a link in it. Throws LOCAL_IO. */
export async function prepareTop(directory: string): Promise<string> {
  await asLocalIo('cannot make', directory, () => mkdir(directory, { recursive: true }));
  return await asLocalIo('cannot look at', directory, () => realpath(directory));
}

/**
 * As `prepareDirectory`, where all above `path` is prepared.
 *
 * @param top the directory that nothing may lead out of, without a link in it
 */
export async function prepareBelow(top: string, path: string, mode = 0o777): Promise<boolean> {
  const made = await asLocalIo('cannot make', path, () => mkdir(path, { recursive: true, mode }));
  // No link then, and under no other spelling.
  if (made !== undefined) return true;
  await refuseOtherSpelling(path);
  const actual = await asLocalIo('cannot look at', path, () => realpath(path));
  if (actual !== top && !actual.startsWith(top.endsWith(sep) ? top : top + sep)) {
    throw new TransferError(
      'LOCAL_IO',
      `${path} is a symbolic link that leads out of ${top}; nothing is written through it`,
    );
  }
  return false;
}

/** Where one file goes: `output` itself, or below it when it is a directory or ends with a separator. */
export async function pathForFile(name: string, output: string | undefined): Promise<string> {
  const lastComponent = name.slice(name.lastIndexOf('/') + 1);
  if (output === undefined) return pathBelow('', lastComponent);
  if (!output.endsWith('/') && !(await isDirectory(output))) return output;
  await asLocalIo('cannot make', output, () => mkdir(output, { recursive: true }));
  return pathBelow(output, lastComponent);
}

/** Where a tree goes: `output`, or a directory called like the last component of the tree. */
export function directoryForTree(name: string, output: string | undefined): string {
  if (output !== undefined) return output;
  return name === '' ? '.' : pathBelow('', basename(name));
}

/** Follows symbolic links. Throws LOCAL_IO. */
export async function isDirectory(path: string): Promise<boolean> {
  const found = await asLocalIo('cannot look at', path, () => stat(path).catch(ignoreMissing));
  return found?.isDirectory() ?? false;
}

function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

async function asLocalIo<T>(doing: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw localError(doing, path, cause);
  }
}
