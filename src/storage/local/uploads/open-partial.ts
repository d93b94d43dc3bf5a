/**
 * Opens the partial file of an upload. One whose publication failed, or was cut
 * off, may have the rights of the file already, and those may keep its owner out.
 */
import { errnoOf } from '../../../base/errors.ts';
import { modeOf } from '../file-identity.ts';
import type { JournalPlace } from './journal/journal.ts';

const OWNER_READS_AND_WRITES = 0o600;

/** The caller closes it. Throws system errors. */
export async function openPartial(
  { directory, fs }: JournalPlace,
  id: string,
  flags: number,
): Promise<number> {
  try {
    return await fs.open(directory.pathOf(id, 'part'), flags);
  } catch (reason) {
    if (errnoOf(reason) !== 'EACCES') throw reason;
    const mode = modeOf(await fs.lstat(directory.pathOf(id, 'part')));
    await fs.chmod(directory.pathOf(id, 'part'), mode | OWNER_READS_AND_WRITES);
    return await fs.open(directory.pathOf(id, 'part'), flags);
  }
}
