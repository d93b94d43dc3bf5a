/**
 * The system calls that uploads are made of, as a seam: tests put faults, crashes
 * and power cuts behind it. The walk to a directory is not part of it, as it
 * changes nothing.
 */
import {
  type BigIntStats,
  chmod,
  close,
  fchmod,
  fchown,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  futimes,
  link,
  lstat,
  mkdir,
  open,
  read,
  readdir,
  rename,
  rmdir,
  statfs,
  unlink,
  write,
} from 'node:fs';
import { promisify } from 'node:util';
import { FileSystemSyncer } from './sync-file-system.ts';

/** All methods throw system errors. */
export interface FileSystem {
  open(path: string, flags: number, mode?: number): Promise<number>;
  close(fd: number): Promise<void>;
  /** Resolves to the number of bytes read, which may be fewer than `bytes` takes; 0 at the end. */
  read(fd: number, bytes: Uint8Array, position: number): Promise<number>;
  /** Resolves to the number of bytes written, which may be fewer than given. */
  write(fd: number, bytes: Uint8Array, position: number): Promise<number>;
  fdatasync(fd: number): Promise<void>;
  fsync(fd: number): Promise<void>;
  /** Makes everything durable on the file system of the directory `path`. ENOSYS where that cannot be had. */
  syncFileSystem(path: string): Promise<void>;
  ftruncate(fd: number, size: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  fchmod(fd: number, mode: number): Promise<void>;
  fchown(fd: number, uid: number, gid: number): Promise<void>;
  /** Times as `fileTimeOf` writes them. */
  futimes(fd: number, accessed: string, modified: string): Promise<void>;
  fstat(fd: number): Promise<BigIntStats>;
  lstat(path: string): Promise<BigIntStats>;
  rename(from: string, to: string): Promise<void>;
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  mkdir(path: string, mode: number): Promise<void>;
  rmdir(path: string): Promise<void>;
  readdir(path: string): Promise<string[]>;
  /** The bytes that this user can still write to the file system of `path`. */
  freeBytes(path: string): Promise<number>;
}

const readInto = promisify(read);
const writeFrom = promisify(write);
const statFileSystem = promisify(statfs);
const statOf: (fd: number, options: { bigint: true }) => Promise<BigIntStats> = promisify(fstat);
const lookAt: (path: string, options: { bigint: true }) => Promise<BigIntStats> = promisify(lstat);
const makeDirectory: (path: string, mode: number) => Promise<unknown> = promisify(mkdir);

const syncer = new FileSystemSyncer();

export const nodeFileSystem: FileSystem = {
  open: promisify(open),
  close: promisify(close),
  read: async (fd, bytes, position) => (await readInto(fd, bytes, 0, bytes.length, position)).bytesRead,
  write: async (fd, bytes, position) => (await writeFrom(fd, bytes, 0, bytes.length, position)).bytesWritten,
  fdatasync: promisify(fdatasync),
  fsync: promisify(fsync),
  syncFileSystem: (path) => syncer.sync(path),
  ftruncate: promisify(ftruncate),
  chmod: promisify(chmod),
  fchmod: promisify(fchmod),
  fchown: promisify(fchown),
  futimes: promisify(futimes),
  fstat: (fd) => statOf(fd, { bigint: true }),
  lstat: (path) => lookAt(path, { bigint: true }),
  rename: promisify(rename),
  link: promisify(link),
  unlink: promisify(unlink),
  mkdir: async (path, mode) => void (await makeDirectory(path, mode)),
  rmdir: promisify(rmdir),
  readdir: promisify(readdir),
  freeBytes: async (path) => {
    const { bavail, bsize } = await statFileSystem(path);
    return bavail * bsize;
  },
};

/** Opens `path`, runs `use` with the descriptor and closes it. */
export async function withDescriptor<T>(
  fs: FileSystem,
  path: string,
  flags: number,
  use: (fd: number) => Promise<T>,
): Promise<T> {
  const fd = await fs.open(path, flags);
  try {
    return await use(fd);
  } finally {
    await fs.close(fd);
  }
}
