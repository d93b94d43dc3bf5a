/**
 * Walks from the root to an entry, one component at a time. No component may be
 * a symbolic link, so the walk cannot leave the root; each directory is closed as
 * soon as the next one is open, so the walk holds two descriptors at most.
 */
import { lstat } from 'node:fs/promises';
import { errnoOf, TransferError } from '../../base/errors.ts';
import { quoteName } from '../quoted-name.ts';
import type { Directory } from './directory.ts';
import { toStorageError } from './io-error.ts';
import { LINK_OBSTACLE } from './obstacle.ts';

/**
 * Opens the directory that holds the last of `components` (from `parseName`),
 * runs `use` with it and that last component, and closes it. Without components
 * that is the root and its entry '.', the root itself. `beforeEnter` runs before
 * each directory on the way is opened, with the one that holds it.
 *
 * @throws TransferError when a directory on the way cannot be entered, and what `use` and `beforeEnter` throw.
 */
export async function inParentOf<T>(
  root: Directory,
  components: readonly string[],
  use: (parent: Directory, entry: string) => Promise<T>,
  beforeEnter?: (parent: Directory, component: string) => Promise<void>,
): Promise<T> {
  let directory = root;
  try {
    for (const [index, component] of components.slice(0, -1).entries()) {
      const left = directory;
      await beforeEnter?.(left, component);
      directory = await enterDirectory(left, component, components.slice(0, index + 1).join('/'));
      if (left !== root) await left.close();
    }
    return await use(directory, components.at(-1) ?? '.');
  } finally {
    if (directory !== root) await directory.close();
  }
}

/** Opens `component` of `directory`; the caller closes it. `name` is for the message of the TransferError that it throws. */
export async function enterDirectory(
  directory: Directory,
  component: string,
  name: string,
): Promise<Directory> {
  try {
    return await directory.enter(component);
  } catch (reason) {
    const errno = errnoOf(reason);
    if (errno !== 'ENOTDIR' && errno !== 'ELOOP') throw toStorageError(reason, name);
    throw await obstacleError(directory, component, name, reason);
  }
}

/** O_DIRECTORY gives ENOTDIR for links and files alike; this tells them apart. */
async function obstacleError(
  directory: Directory,
  component: string,
  name: string,
  reason: unknown,
): Promise<TransferError> {
  try {
    const isLink = (await lstat(directory.pathOf(component))).isSymbolicLink();
    const [code, obstacle] = isLink
      ? (['NOT_A_FILE', LINK_OBSTACLE] as const)
      : (['NOT_FOUND', 'is not a directory'] as const);
    return new TransferError(code, `${quoteName(name)} ${obstacle}`, { cause: reason });
  } catch (lookReason) {
    return toStorageError(lookReason, name);
  }
}
