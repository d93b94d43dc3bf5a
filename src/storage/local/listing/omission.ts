/** Why a listing leaves out what failed with a system error. */
import { errnoOf } from '../../../base/errors.ts';
import { shownName } from '../../shown-name.ts';
import type { Omission } from '../../store.ts';
import { toStorageError } from '../io-error.ts';

/** The entry was removed or replaced meanwhile. */
const GONE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE']);

/** The omission of what failed with the system error `cause`; undefined for what is gone. Throws where the server itself is short of something. */
export function omissionOf(rawName: string, cause: unknown): Omission | undefined {
  if (GONE.has(errnoOf(cause))) return undefined;
  const error = toStorageError(cause, '');
  if (error === cause || error.code === 'RESOURCE_EXHAUSTED') throw error;
  return { shownName: shownName(rawName), reason: 'UNREADABLE' };
}
