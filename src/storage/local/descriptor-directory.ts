/**
 * A directory held by a descriptor, on Linux. `/proc/self/fd/<fd>/<entry>` is
 * what Node has for openat(2): the kernel starts at the directory that the
 * descriptor holds, wherever it was moved and whatever took its place, so an
 * entry is looked up in exactly the directory that was checked.
 */
import { constants } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { errnoOf, TransferError } from '../../base/errors.ts';
import { OPEN_DIRECTORY_FLAGS } from '../../base/files/open-flags.ts';
import { closeDescriptor, openDescriptor } from './descriptor.ts';
import type { Directory } from './directory.ts';

class DescriptorDirectory implements Directory {
  readonly kind = 'descriptor';
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  pathOf(entry: string): string {
    return `/proc/self/fd/${this.#fd}/${entry}`;
  }

  async enter(entry: string): Promise<Directory> {
    return new DescriptorDirectory(await openDescriptor(this.pathOf(entry), OPEN_DIRECTORY_FLAGS));
  }

  close(): Promise<void> {
    return closeDescriptor(this.#fd);
  }
}

/**
 * Opens `rootPath`, which is the operator's and may lead through symbolic links.
 *
 * @throws a system error, or TransferError INVALID_CONFIG where there is no /proc.
 */
export async function openDescriptorDirectory(rootPath: string): Promise<Directory> {
  const directory = new DescriptorDirectory(
    await openDescriptor(rootPath, constants.O_RDONLY | constants.O_DIRECTORY),
  );
  try {
    await lstat(directory.pathOf('.'));
    return directory;
  } catch (reason) {
    await directory.close();
    if (errnoOf(reason) !== 'ENOENT') throw reason;
    throw new TransferError('INVALID_CONFIG', 'a local store needs /proc; mount it', { cause: reason });
  }
}
