/** Failures of local files in words: what happened, to which path, and what helps. */
import { errnoOf, TransferError } from '../base/errors.ts';

const REMEDY_OF_ERRNO: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free space and run the download again, it resumes',
  EDQUOT: 'the disk quota is used up; free space and run the download again, it resumes',
  EFBIG: 'the file is larger than the file system or `ulimit -f` allows',
  EIO: 'the disk reports an error; check it, then run the download again',
  ENOENT: 'the directory does not exist; create it first',
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'a file has that name',
  EISDIR: 'it is a directory; name a file',
  EACCES: 'permission denied; choose a place you may write to',
  EPERM: 'the operation is not permitted there',
  EROFS: 'the file system is read-only',
  EMFILE: 'this process has too many open files; raise `ulimit -n`',
  ENFILE: 'the system has too many open files',
  ENAMETOOLONG: 'the name is too long; sluice adds up to 14 bytes to it while it downloads',
  ELOOP: 'it is a symbolic link; remove it',
};

const READ_REMEDY_OF_ERRNO: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'the operation is not permitted',
  EISDIR: 'it is a directory; name a file in it',
};

/** LOCAL_IO for a failed operation on `path`, which is only read. */
export function readError(doing: string, path: string, cause: unknown): TransferError {
  const errno = errnoOf(cause);
  const reason = errno === undefined ? undefined : READ_REMEDY_OF_ERRNO[errno];
  if (reason === undefined) return localError(doing, path, cause);
  return new TransferError('LOCAL_IO', `${doing} ${path}: ${reason} (${errno})`, { cause });
}

/** LOCAL_IO for a failed operation on `path`; a TransferError passes through. */
export function localError(doing: string, path: string, cause: unknown): TransferError {
  if (cause instanceof TransferError) return cause;
  const errno = errnoOf(cause);
  const remedy = errno === undefined ? undefined : REMEDY_OF_ERRNO[errno];
  const reason = remedy ?? (cause instanceof Error ? cause.message : String(cause));
  return new TransferError('LOCAL_IO', `${doing} ${path}: ${reason}${errno ? ` (${errno})` : ''}`, { cause });
}
