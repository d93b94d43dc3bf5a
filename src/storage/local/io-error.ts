/**
 * The one place where system errors of the local store become `TransferError`s.
 * Messages name the file as the peer named it; the system's own message holds a
 * path of the server and stays in `cause`.
 */
import { type ErrorCode, errnoOf, TransferError } from '../../base/errors.ts';
import { quoteName } from '../quoted-name.ts';
import { LINK_OBSTACLE } from './obstacle.ts';

const CODE_OF_ERRNO: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'NOT_FOUND',
  ENOTDIR: 'NOT_FOUND',
  ESTALE: 'NOT_FOUND',
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  // Opened with O_NOFOLLOW, so ELOOP means a symbolic link.
  ELOOP: 'NOT_A_FILE',
  // A socket, or a device without a driver.
  ENXIO: 'NOT_A_FILE',
  ENODEV: 'NOT_A_FILE',
  EMFILE: 'RESOURCE_EXHAUSTED',
  ENFILE: 'RESOURCE_EXHAUSTED',
  ENOMEM: 'RESOURCE_EXHAUSTED',
  ENAMETOOLONG: 'INVALID_NAME',
  EILSEQ: 'INVALID_NAME',
  EIO: 'DATA_LOSS',
};

/** `reason` itself when it is a TransferError; otherwise the one that tells of `reason`, met at the file `name`. */
export function toStorageError(reason: unknown, name: string): TransferError {
  if (reason instanceof TransferError) return reason;
  const errno = errnoOf(reason) ?? 'unknown error';
  const code = CODE_OF_ERRNO[errno] ?? 'INTERNAL';
  return new TransferError(
    code,
    messageOf(code, errno, name === '' ? 'the root of the store' : quoteName(name)),
    { cause: reason },
  );
}

/** For an error of a read, which crossed threads as its `errno` (such as `EIO`). `cause` is for logs. */
export function readErrorOf(errno: string, name: string, cause?: unknown): TransferError {
  const message = `${quoteName(name)} cannot be read from its disk (${errno}); its operator must restore it`;
  return new TransferError('DATA_LOSS', message, { cause });
}

function messageOf(code: ErrorCode, errno: string, quoted: string): string {
  switch (code) {
    case 'NOT_FOUND':
      return `there is no ${quoted}`;
    case 'PERMISSION_DENIED':
      return `the server may not read ${quoted}; its operator can grant the permission`;
    case 'NOT_A_FILE':
      return errno === 'ELOOP'
        ? `${quoted} ${LINK_OBSTACLE}`
        : `${quoted} is a socket or a device; only regular files are served`;
    case 'RESOURCE_EXHAUSTED':
      return `the server is out of ${errno === 'ENOMEM' ? 'memory' : 'file descriptors'}; try again later`;
    case 'INVALID_NAME':
      return `the file system of the server does not take the name ${quoted}; use a shorter or plainer one`;
    case 'DATA_LOSS':
      return `${quoted} cannot be read from its disk; its operator must restore it`;
    default:
      return `looking up ${quoted} failed with ${errno}; the log of the server has the cause`;
  }
}
