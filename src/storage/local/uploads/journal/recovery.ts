/**
 * An upload of an earlier process, from its files. The journal alone says what is
 * committed, whatever size the partial file has. The bytes of its last records are
 * read and checked, in case the disk lost acknowledged writes.
 */
import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { errnoOf } from '../../../../base/errors.ts';
import { MIB } from '../../../../base/units.ts';
import type { CheckedRange } from '../../../../wire/checked-ranges.ts';
import { isIntact } from '../disk/read-pieces.ts';
import { openPartial } from '../open-partial.ts';
import type { UploadContext } from '../options.ts';
import { completePublication } from '../publish.ts';
import { removeUploadFile, removeUploadFiles } from '../remove-upload.ts';
import { Journal, type JournalContent, readJournal } from './journal.ts';
import type { JournalRecord } from './journal-record.ts';
import { JournalState, rangesOf } from './journal-state.ts';

/** How many synced bytes are read again. Unsynced bytes are all read. */
const MAX_CHECKED_BYTES = 64 * MIB;

const READ_PARTIAL_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The journal of the upload `id`, finished or to go on; undefined when there is no such upload. Throws system errors. */
export async function recoverUpload(context: UploadContext, id: string): Promise<Journal | undefined> {
  const content = await readJournal(context, id);
  const state = content === undefined ? undefined : JournalState.of(content.records);
  if (content === undefined || state === undefined) return undefined;
  if (state.finished !== undefined) return journalOf(context, id, state, content);
  const partial = await statPartial(context, id);
  const published = await recoverPublished(context, id, state, content, partial);
  if (published !== undefined) return published;
  if (partial === undefined) {
    // The upload was being discarded.
    await removeUploadFiles(context, id);
    return undefined;
  }
  return await recoverOpen(context, id, content);
}

function journalOf(
  context: UploadContext,
  id: string,
  state: JournalState,
  content: JournalContent,
): Journal {
  return new Journal(context, id, state, content.goodBytes, !content.isTorn);
}

async function statPartial({ fs, directory }: UploadContext, id: string): Promise<BigIntStats | undefined> {
  try {
    return await fs.lstat(directory.pathOf(id, 'part'));
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
}

/** For an upload whose file got its name, but whose process ended before it journalled that. */
async function recoverPublished(
  context: UploadContext,
  id: string,
  state: JournalState,
  content: JournalContent,
  partial: BigIntStats | undefined,
): Promise<Journal | undefined> {
  const { spec, intent } = state;
  // A partial file with one link was not linked; a renamed one is gone.
  if (intent === undefined || (partial !== undefined && partial.nlink === 1n)) return undefined;
  const file = await completePublication(context, id, spec, intent);
  if (file === undefined) return undefined;
  const journal = journalOf(context, id, state, content);
  await journal.append({ kind: 'finished', file, atMs: context.now() });
  return journal;
}

async function recoverOpen(
  context: UploadContext,
  id: string,
  content: JournalContent,
): Promise<Journal | undefined> {
  const lost = await lostRanges(context, id, content.records);
  const records = content.records.map((record) => withoutRanges(record, lost));
  const state = JournalState.of(records);
  if (state === undefined) return undefined;
  if (lost.size > 0) {
    context.logger.error({ uploadId: id, ranges: lost.size }, 'the disk lost bytes that were synced');
  }
  await removeUploadFile(context, id, 'new');
  return new Journal(context, id, state, content.goodBytes, !content.isTorn && lost.size === 0);
}

/** The starts of checked ranges whose bytes have changed. */
async function lostRanges(
  context: UploadContext,
  id: string,
  records: readonly JournalRecord[],
): Promise<ReadonlySet<number>> {
  const lost = new Set<number>();
  const checked = rangesToCheck(records);
  if (checked.length === 0) return lost;
  const { fs } = context;
  const fd = await openPartial(context, id, READ_PARTIAL_FLAGS);
  try {
    for (const range of checked) if (!(await isIntact(fs, fd, range))) lost.add(range.start);
  } finally {
    await fs.close(fd);
  }
  return lost;
}

function rangesToCheck(records: readonly JournalRecord[]): readonly CheckedRange[] {
  const durable = records.filter((record) => record.kind === 'durable');
  const unsynced = durable.filter((record) => !record.synced).flatMap(rangesOf);
  const last = durable.at(-1);
  if (last === undefined || !last.synced) return unsynced;
  const synced: CheckedRange[] = [];
  let room = MAX_CHECKED_BYTES;
  for (const range of rangesOf(last).reverse()) {
    room -= range.end - range.start;
    if (room < 0) break;
    synced.push(range);
  }
  return [...unsynced, ...synced];
}

function withoutRanges(record: JournalRecord, lost: ReadonlySet<number>): JournalRecord {
  if (record.kind !== 'durable' || lost.size === 0) return record;
  return { ...record, ranges: record.ranges.filter(([start]) => !lost.has(start)) };
}
