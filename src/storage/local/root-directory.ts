/**
 * Opens the served directory and refuses one that cannot be served: missing,
 * not a directory, unreadable, or on a file system like proc, whose files have no
 * true size and may block. Messages here are for the operator and name the path.
 */
import { lstat, readdir, statfs } from 'node:fs/promises';
import { errnoOf, TransferError } from '../../base/errors.ts';
import { isStampedPrecisely } from '../../base/files/settled-stats.ts';
import { openDescriptorDirectory } from './descriptor-directory.ts';
import type { Directory, Root } from './directory.ts';
import { openPathDirectory } from './path-directory.ts';

/** `f_type` of statfs(2), from linux/magic.h. */
const KERNEL_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x6265_6572, 'sysfs'],
  [0x6462_6720, 'debugfs'],
  [0x7472_6163, 'tracefs'],
  [0x6265_6570, 'configfs'],
  [0x7363_6673, 'securityfs'],
  [0x27_e0eb, 'cgroup'],
  [0x6367_7270, 'cgroup2'],
  [0xcafe_4a11, 'bpf'],
  [0x1cd1, 'devpts'],
  [0x1980_0202, 'mqueue'],
  [0x6573_5543, 'fusectl'],
  [0x4249_4e4d, 'binfmt_misc'],
  [0xf97c_ff8c, 'selinux'],
]);

/**
 * The directory `rootPath`, held until its `close`.
 *
 * @throws TransferError INVALID_CONFIG.
 */
export async function openRoot(rootPath: string): Promise<Root> {
  const open = process.platform === 'linux' ? openDescriptorDirectory : openPathDirectory;
  let directory: Directory | undefined;
  try {
    directory = await open(rootPath);
    return await checkedRoot(directory, rootPath);
  } catch (reason) {
    await directory?.close();
    throw toConfigError(reason, rootPath);
  }
}

async function checkedRoot(directory: Directory, rootPath: string): Promise<Root> {
  const path = directory.pathOf('.');
  await readdir(path);
  if (process.platform === 'linux') {
    const fileSystem = KERNEL_FILE_SYSTEMS.get((await statfs(path)).type);
    if (fileSystem !== undefined) {
      const message = `${JSON.stringify(rootPath)} is on a ${fileSystem} file system, which holds no stored files; serve another directory`;
      throw new TransferError('INVALID_CONFIG', message);
    }
  }
  const { dev, ino } = await lstat(path, { bigint: true });
  return { directory, device: dev, inode: ino, isStampedPrecisely: await isStampedPrecisely(path) };
}

function toConfigError(reason: unknown, rootPath: string): TransferError {
  if (reason instanceof TransferError) return reason;
  return new TransferError('INVALID_CONFIG', problemOf(errnoOf(reason), JSON.stringify(rootPath)), {
    cause: reason,
  });
}

function problemOf(errno: string | undefined, quotedPath: string): string {
  switch (errno) {
    case 'ENOENT':
      return `the directory ${quotedPath} does not exist; create it or serve another one`;
    case 'ENOTDIR':
      return `${quotedPath} is not a directory; serve the directory that holds it`;
    case 'EACCES':
    case 'EPERM':
      return `the directory ${quotedPath} may not be read; grant this user read and search permission (r-x)`;
    default:
      return `the directory ${quotedPath} cannot be opened (${errno ?? 'unknown error'}); serve another one`;
  }
}
