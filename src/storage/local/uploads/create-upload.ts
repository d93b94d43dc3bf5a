/** Makes the files of a new upload: an empty partial file and a journal that says what it is to become. */
import { constants } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { errnoOf } from '../../../base/errors.ts';
import type { UploadSpec } from '../../upload-store.ts';
import { createJournal, type Journal, readJournal } from './journal/journal.ts';
import { JOURNAL_FORMAT, type SpecRecord } from './journal/journal-record.ts';
import { JournalState } from './journal/journal-state.ts';
import type { UploadContext } from './options.ts';
import { removeUploadFiles } from './remove-upload.ts';

const { O_CREAT, O_EXCL, O_WRONLY } = constants;

/** Less the umask, as any new file: the partial file becomes the file, and until then its directory is closed to others. */
const PARTIAL_MODE = 0o666;

/** Once it resolves, a later process finds the upload. Throws system errors, and leaves nothing then. */
export async function createUpload(context: UploadContext, id: string, spec: UploadSpec): Promise<Journal> {
  try {
    return await create(context, id, spec);
  } catch (reason) {
    if (errnoOf(reason) !== 'EEXIST' || !(await removeUnborn(context, id))) throw reason;
    return await create(context, id, spec);
  }
}

async function create(context: UploadContext, id: string, spec: UploadSpec): Promise<Journal> {
  const { fs, directory } = context;
  try {
    await fs.close(await fs.open(directory.pathOf(id, 'part'), O_WRONLY | O_CREAT | O_EXCL, PARTIAL_MODE));
    const journal = await createJournal(context, id, new JournalState(specRecord(spec, context.now())));
    await directory.sync();
    return journal;
  } catch (reason) {
    if (errnoOf(reason) !== 'EEXIST') await removeQuietly(context, id);
    throw reason;
  }
}

/** Removes the remains of an earlier upload with this id whose start crashed. False when the upload is real. */
async function removeUnborn(context: UploadContext, id: string): Promise<boolean> {
  const journal = await readJournal(context, id);
  if (journal?.records[0]?.kind === 'spec') return false;
  await removeUploadFiles(context, id);
  return true;
}

/** Whether `record` was written for an upload with the same spec. */
export function isRecordOf(record: SpecRecord, spec: UploadSpec): boolean {
  return isDeepStrictEqual(specRecord(spec, record.atMs), record);
}

function specRecord(
  { condition, expected, mode, modifiedMs, name, owner }: UploadSpec,
  atMs: number,
): SpecRecord {
  const { sha256, ...rest } = expected;
  const declared = sha256 === undefined ? rest : { ...rest, sha256: Buffer.from(sha256).toString('hex') };
  return {
    kind: 'spec',
    format: JOURNAL_FORMAT,
    name,
    expected: declared,
    condition,
    ...(modifiedMs === undefined ? {} : { modifiedMs }),
    ...(mode === undefined ? {} : { mode }),
    ...(owner === undefined ? {} : { owner }),
    atMs,
  };
}

async function removeQuietly(context: UploadContext, id: string): Promise<void> {
  try {
    await removeUploadFiles(context, id);
  } catch (reason) {
    context.logger.warn(
      { err: reason, uploadId: id },
      'an upload that could not be started was left for the sweep',
    );
  }
}
