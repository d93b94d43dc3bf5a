/**
 * A repeated finish: its answer is that of the first one only where it declares
 * the same content. The journal still has the CRC-32 of every range; a new
 * SHA-256 is computed from the file.
 */
import { constants } from 'node:fs';
import { TransferError } from '../../../base/errors.ts';
import { entryStatsOf } from '../../../base/files/entry-stats.ts';
import { settledStats } from '../../../base/files/settled-stats.ts';
import { checkCommitted, checkSha256, declaredContent } from '../../content-check.ts';
import { quoteName } from '../../quoted-name.ts';
import type { FileIdentity } from '../../store.ts';
import type { ExpectedContent } from '../../upload-store.ts';
import { withDescriptor } from './disk/file-system.ts';
import type { FinishedRecord } from './journal/journal-record.ts';
import type { JournalState } from './journal/journal-state.ts';
import type { UploadContext } from './options.ts';
import { atTarget } from './target.ts';

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @throws TransferError CONTENT_MISMATCH. */
export async function checkFinished(
  context: UploadContext,
  { spec, committed }: JournalState,
  { file, sha256 }: FinishedRecord,
  expected: ExpectedContent,
): Promise<FileIdentity> {
  const declared = declaredContent(spec, expected);
  checkCommitted(spec.name, { ...declared, size: declared.size ?? file.size }, committed, false);
  if (declared.sha256 === undefined) return file;
  const known = sha256 === undefined ? await hashOf(context, file) : Buffer.from(sha256, 'hex');
  checkSha256(spec.name, declared.sha256, known);
  return file;
}

async function hashOf(context: UploadContext, { name, size, version }: FileIdentity): Promise<Uint8Array> {
  const { fs, hash, versions } = context;
  return await atTarget(context, name, 'enter', async ({ parent, entry, stats }) => {
    if (stats === undefined) throw replaced(name);
    return await withDescriptor(fs, parent.pathOf(entry), READ_FLAGS, async (fd) => {
      const opened = await settledStats(fd, (each) => fs.fstat(each));
      if (versions.has(name, entryStatsOf(opened), version) !== true) throw replaced(name);
      return await hash(fd, size);
    });
  });
}

function replaced(name: string): TransferError {
  const message = `${quoteName(name)} was replaced since it was finished, and its SHA-256 was not taken then; look at what is there now`;
  return new TransferError('CONTENT_MISMATCH', message);
}
