/** Removes the files of an upload. */
import { errnoOf } from '../../../base/errors.ts';
import type { FileSystem } from './disk/file-system.ts';
import type { JournalPlace } from './journal/journal.ts';
import type { UploadEntryKind } from './upload-id.ts';

/** Safe to interrupt: a journal without partial file is void, and a partial file without journal is swept. */
const REMOVAL_ORDER: readonly UploadEntryKind[] = ['part', 'new', 'journal'];

/** Removes what is there of an upload. Throws system errors. */
export async function removeUploadFiles(place: JournalPlace, id: string): Promise<void> {
  for (const kind of REMOVAL_ORDER) await removeUploadFile(place, id, kind);
}

/** Removes one file of an upload, if it is there. Throws system errors. */
export async function removeUploadFile(
  { fs, directory }: JournalPlace,
  id: string,
  kind: UploadEntryKind,
): Promise<void> {
  await removeFile(fs, directory.pathOf(id, kind));
}

/** Removes a file, if it is there. Throws system errors. */
export async function removeFile(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch (reason) {
    if (errnoOf(reason) !== 'ENOENT') throw reason;
  }
}
