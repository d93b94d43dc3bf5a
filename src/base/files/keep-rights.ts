/** Copies owner and permissions of a file to the file that replaces it. */
import { errnoOf } from '../errors.ts';

/** As `stat` gives them. */
export interface Rights {
  readonly mode: number | bigint;
  readonly uid: number | bigint;
  readonly gid: number | bigint;
}

/** A file whose rights can be changed, such as a FileHandle. */
export interface RightsTarget {
  chmod(mode: number): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
}

/** The same, for a thread that may block. */
export interface RightsTargetSync {
  chmod(mode: number): void;
  chown(uid: number, gid: number): void;
}

const PERMISSION_BITS = 0o777;

/** The process lacks the right, or the file system the feature. */
const NOT_POSSIBLE: ReadonlySet<string> = new Set(['EPERM', 'EACCES', 'EINVAL', 'ENOSYS', 'ENOTSUP']);

/**
 * Gives the file that has the rights `own` those of the one that it replaces, as
 * far as that is permitted; set-user-id bits are never passed on. True when anything
 * was changed. Throws system errors of a disk.
 */
export async function keepRights(replaced: Rights, own: Rights, file: RightsTarget): Promise<boolean> {
  const [uid, gid] = [Number(replaced.uid), Number(replaced.gid)];
  let isChanged = false;
  if (uid !== Number(own.uid) || gid !== Number(own.gid)) {
    isChanged =
      (await isPermitted(file.chown(uid, gid))) || (await isPermitted(file.chown(Number(own.uid), gid)));
  }
  const mode = Number(replaced.mode) & PERMISSION_BITS;
  if (mode === (Number(own.mode) & PERMISSION_BITS)) return isChanged;
  return (await isPermitted(file.chmod(mode))) || isChanged;
}

/** As `keepRights`, in a thread that may block. */
export function keepRightsSync(replaced: Rights, own: Rights, file: RightsTargetSync): void {
  const [uid, gid] = [Number(replaced.uid), Number(replaced.gid)];
  if (uid !== Number(own.uid) || gid !== Number(own.gid)) {
    if (!isPermittedSync(() => file.chown(uid, gid))) isPermittedSync(() => file.chown(Number(own.uid), gid));
  }
  const mode = Number(replaced.mode) & PERMISSION_BITS;
  if (mode !== (Number(own.mode) & PERMISSION_BITS)) isPermittedSync(() => file.chmod(mode));
}

function isPermittedSync(change: () => void): boolean {
  try {
    change();
    return true;
  } catch (reason) {
    if (NOT_POSSIBLE.has(errnoOf(reason) ?? '')) return false;
    throw reason;
  }
}

async function isPermitted(change: Promise<void>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (reason) {
    if (NOT_POSSIBLE.has(errnoOf(reason) ?? '')) return false;
    throw reason;
  }
}
