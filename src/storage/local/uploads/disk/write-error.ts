/**
 * The one place where system errors of writing become `TransferError`s. Messages
 * name the file as the peer named it; the system's own message holds a path of
 * the server and stays in `cause`.
 */
import { type ErrorCode, errnoOf, TransferError } from '../../../../base/errors.ts';
import { quoteName } from '../../../quoted-name.ts';

const CODE_OF_ERRNO: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EFBIG: 'TOO_LARGE',
  EROFS: 'READ_ONLY',
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  EMFILE: 'RESOURCE_EXHAUSTED',
  ENFILE: 'RESOURCE_EXHAUSTED',
  ENOMEM: 'RESOURCE_EXHAUSTED',
  // From giving a file its name.
  EEXIST: 'ALREADY_EXISTS',
  EISDIR: 'NOT_A_FILE',
  ENOTDIR: 'NOT_A_FILE',
  ENOTEMPTY: 'NOT_A_FILE',
  ELOOP: 'NOT_A_FILE',
  EXDEV: 'NOT_A_FILE',
  ENAMETOOLONG: 'INVALID_NAME',
  EILSEQ: 'INVALID_NAME',
};

/** Errors of Node itself have codes like ERR_ASSERTION. */
const ERRNO_PATTERN = /^E[A-Z0-9]+$/;

/**
 * `reason` itself when it is a TransferError; otherwise the one that tells of `reason`, met when `name` was
 * written. What is no system error is a defect.
 */
export function toWriteError(reason: unknown, name: string): TransferError {
  const errno = errnoOf(reason);
  if (reason instanceof TransferError || errno === undefined || !ERRNO_PATTERN.test(errno)) {
    return TransferError.from(reason);
  }
  return writeErrorOf(errno, name, reason);
}

/** For an error that crossed threads as its `errno` (such as `ENOSPC`). `cause` is for logs. */
export function writeErrorOf(errno: string, name: string, cause?: unknown): TransferError {
  const code = CODE_OF_ERRNO[errno] ?? 'WRITE_FAILED';
  return new TransferError(code, messageOf(code, errno, quoteName(name)), { cause });
}

function messageOf(code: ErrorCode, errno: string, quoted: string): string {
  switch (code) {
    case 'DISK_FULL':
      return errno === 'EDQUOT'
        ? `the disk quota of the server is used up at ${quoted}; resume when there is room`
        : `the disk of the server is full at ${quoted}; resume when there is room`;
    case 'TOO_LARGE':
      return `${quoted} is larger than the file system or a limit of the server process takes; split it`;
    case 'READ_ONLY':
      return `the file system of the server is read-only, ${quoted} cannot be written; its operator can remount it`;
    case 'PERMISSION_DENIED':
      return `the server may not write ${quoted}; its operator can grant the permission`;
    case 'RESOURCE_EXHAUSTED':
      return `the server is out of ${errno === 'ENOMEM' ? 'memory' : 'file descriptors'}; try again later`;
    case 'ALREADY_EXISTS':
      return `${quoted} exists already; choose another name or overwrite it`;
    case 'NOT_A_FILE':
      return errno === 'EXDEV'
        ? `${quoted} is on another file system than the root of the store; choose a name that is not`
        : `${quoted} is not a regular file in a directory; choose another name`;
    case 'INVALID_NAME':
      return `the file system of the server does not take the name ${quoted}; use a shorter or plainer one`;
    default:
      return `storing ${quoted} failed with ${errno}; ask for the state and resume`;
  }
}
