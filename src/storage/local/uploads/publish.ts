/**
 * The moment when an upload becomes a file: before, the name leads to the old file
 * or nothing; after, to the whole, durable file. Changes of one name are
 * serialized, so that nothing comes between check and change.
 */
import type { BigIntStats } from 'node:fs';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { entryStatsOf } from '../../../base/files/entry-stats.ts';
import { fileTimeOf } from '../../../base/files/file-time.ts';
import { keepRights } from '../../../base/files/keep-rights.ts';
import { settledStatsOf } from '../../../base/files/settled-stats.ts';
import type { FileIdentity } from '../../store.ts';
import type { WriteCondition } from '../../upload-store.ts';
import type { FileSystem } from './disk/file-system.ts';
import type { Journal } from './journal/journal.ts';
import type { IntentRecord, SpecRecord } from './journal/journal-record.ts';
import type { UploadContext } from './options.ts';
import {
  atTarget,
  checkCondition,
  foundAt,
  refuseOtherSpelling,
  type Target,
  whileDirectoriesVanish,
} from './target.ts';

export interface Publication {
  readonly journal: Journal;
  /** Of the partial file. */
  readonly fd: number;
  readonly size: number;
  /** The file has its name, durable or not. */
  onNamed(): void;
}

/**
 * Gives the partial file its name, and makes that durable. The bytes are durable before.
 *
 * @throws TransferError ALREADY_EXISTS, VERSION_MISMATCH, NOT_A_FILE, and those of writing.
 */
export async function publish(context: UploadContext, publication: Publication): Promise<void> {
  await context.locks.names.run(publication.journal.state.spec.name, () =>
    whileDirectoriesVanish(() => publishOnce(context, publication)),
  );
}

async function publishOnce(context: UploadContext, publication: Publication): Promise<void> {
  const { id, state } = publication.journal;
  const { spec } = state;
  await atTarget(context, spec.name, 'make', async (target) => {
    await checkCondition(context, spec.condition, spec.name, foundAt(target));
    if (target.stats !== undefined) await refuseOtherSpelling(target, spec.name);
    await writeIntent(context, publication, target.stats);
    await giveName(context, id, spec.condition, target);
    publication.onNamed();
    await removeLinkedPartial(context, id, spec.condition);
    await context.durability.directory(target.parent);
    await context.directory.sync();
  });
}

/** Journals what comes next, once nothing stands against it. */
async function writeIntent(
  context: UploadContext,
  { fd, journal, size }: Publication,
  replaced: BigIntStats | undefined,
): Promise<void> {
  const isChanged = await giveAttributes(context.fs, fd, journal.state.spec, replaced);
  const { ino, mtimeNs } = await context.fs.fstat(fd);
  const intent = { kind: 'intent', size, ino: ino.toString(), mtimeNs: mtimeNs.toString() } as const;
  // Both before the name; at the same time, because the file system then needs one commit for the two.
  const synced = isChanged ? context.durability.attributes(fd) : undefined;
  for (const each of await Promise.allSettled([synced, journal.append(intent)])) {
    if (each.status === 'rejected') throw each.reason;
  }
}

/** The time and the rights that the file was started with; else its own time, and the rights of what it replaces. */
async function giveAttributes(
  fs: FileSystem,
  fd: number,
  { mode, modifiedMs }: SpecRecord,
  replaced: BigIntStats | undefined,
): Promise<boolean> {
  const own = await fs.fstat(fd);
  const { uid, gid, mode: defaultMode } = replaced ?? own;
  const partial = {
    chmod: (bits: number) => fs.fchmod(fd, bits),
    chown: (user: number, group: number) => fs.fchown(fd, user, group),
  };
  const isChanged = await keepRights({ uid, gid, mode: mode ?? defaultMode }, own, partial);
  if (modifiedMs === undefined || modifiedMs === Number(own.mtimeMs)) return isChanged;
  await fs.futimes(fd, fileTimeOf(Date.now()), fileTimeOf(modifiedMs));
  return true;
}

async function giveName(
  { fs, directory }: UploadContext,
  id: string,
  condition: WriteCondition,
  { parent, entry }: Target,
): Promise<void> {
  const from = directory.pathOf(id, 'part');
  // A link never replaces, not even a file that another process made after the check.
  if (condition.kind === 'absent') await fs.link(from, parent.pathOf(entry));
  else await fs.rename(from, parent.pathOf(entry));
}

async function removeLinkedPartial(
  { fs, directory, logger }: UploadContext,
  id: string,
  condition: WriteCondition,
): Promise<void> {
  if (condition.kind !== 'absent') return;
  try {
    await fs.unlink(directory.pathOf(id, 'part'));
  } catch (reason) {
    // The leftover is a second, hidden name of the file; the next sweep removes it.
    if (errnoOf(reason) !== 'ENOENT')
      logger.warn({ err: reason, uploadId: id }, 'a partial file was left behind');
  }
}

/**
 * What the file is when an earlier process gave it its name, by its intent, and
 * ended before it journalled that; undefined when it did not. Makes it durable.
 */
export async function completePublication(
  context: UploadContext,
  id: string,
  { name, condition }: SpecRecord,
  intent: IntentRecord,
): Promise<FileIdentity | undefined> {
  const { fs, directory, durability, versions } = context;
  try {
    return await context.locks.names.run(name, () =>
      atTarget(context, name, 'sync', async ({ parent, entry, stats }) => {
        if (stats === undefined || !isIntended(stats, intent)) return undefined;
        await removeLinkedPartial(context, id, condition);
        await durability.directory(parent);
        await directory.sync();
        const settled = await settledStatsOf(() => fs.lstat(parent.pathOf(entry)));
        return versions.identityOf(name, entryStatsOf(settled));
      }),
    );
  } catch (reason) {
    // The directory was removed or replaced.
    if (reason instanceof TransferError && ['NOT_FOUND', 'NOT_A_FILE'].includes(reason.code))
      return undefined;
    throw reason;
  }
}

/** An inode is used again after its file is gone, but hardly for a file of this name, size and time. */
function isIntended(stats: BigIntStats, { ino, size, mtimeNs }: IntentRecord): boolean {
  return stats.ino.toString() === ino && Number(stats.size) === size && stats.mtimeNs.toString() === mtimeNs;
}
