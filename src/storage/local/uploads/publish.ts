/**
 * The moment when an upload becomes a file: before, the name leads to the old file
 * or nothing; after, to the whole, durable file. Changes of one name are
 * serialized, so that nothing comes between check and change.
 */
import { type BigIntStats, constants } from 'node:fs';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { keepRights } from '../../../base/files/keep-rights.ts';
import { settledStats } from '../../../base/files/settled-stats.ts';
import { otherSpelling } from '../../../base/files/spelling.ts';
import { quoteName } from '../../quoted-name.ts';
import type { FileIdentity } from '../../store.ts';
import type { WriteCondition } from '../../upload-store.ts';
import { identityOf } from '../file-identity.ts';
import { withDescriptor } from './disk/file-system.ts';
import type { Journal } from './journal/journal.ts';
import type { IntentRecord, SpecRecord } from './journal/journal-record.ts';
import type { UploadContext } from './options.ts';
import { atTarget, checkCondition, type Target } from './target.ts';

export interface Publication {
  readonly journal: Journal;
  /** Of the partial file. */
  readonly fd: number;
  readonly size: number;
  /** The file has its name, durable or not. */
  onNamed(): void;
}

/** Attempts to publish while somebody else removes the empty directories. */
const TRIES = 3;

/**
 * Gives the partial file its name, and makes that durable. The bytes are durable before.
 *
 * @throws TransferError ALREADY_EXISTS, VERSION_MISMATCH, NOT_A_FILE, and those of writing.
 */
export async function publish(context: UploadContext, publication: Publication): Promise<void> {
  await context.names.run(publication.journal.state.spec.name, async () => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await publishOnce(context, publication);
      } catch (reason) {
        if (tries === TRIES || !(reason instanceof TransferError) || errnoOf(reason.cause) !== 'ENOENT')
          throw reason;
      }
    }
  });
}

async function publishOnce(context: UploadContext, publication: Publication): Promise<void> {
  const { id, state } = publication.journal;
  const { spec } = state;
  await atTarget(context, spec.name, 'make', async (target) => {
    checkCondition(spec.condition, spec.name, target.stats);
    if (target.stats !== undefined) await refuseOtherSpelling(target, spec.name);
    await writeIntent(context, publication, target.stats);
    await giveName(context, id, spec.condition, target);
    publication.onNamed();
    await removeLinkedPartial(context, id, spec.condition);
    await context.durability.directory(target.parent);
    await context.directory.sync();
  });
}

/** Journals the intent after all checks; the new file gets the rights of the replaced one. */
async function writeIntent(
  { durability, fs }: UploadContext,
  { fd, journal, size }: Publication,
  replaced: BigIntStats | undefined,
): Promise<void> {
  const own = await fs.fstat(fd);
  const partial = {
    chmod: (mode: number) => fs.fchmod(fd, mode),
    chown: (uid: number, gid: number) => fs.fchown(fd, uid, gid),
  };
  if (replaced !== undefined && (await keepRights(replaced, own, partial))) await durability.rights(fd);
  const inode = { ino: own.ino.toString(), mtimeNs: own.mtimeNs.toString() };
  await journal.append({ kind: 'intent', size, ...inode });
}

/** On a file system that ignores case, another file may have the name. */
async function refuseOtherSpelling({ entry, parent }: Target, name: string): Promise<void> {
  const spelling = await otherSpelling(parent.pathOf(entry));
  if (spelling === undefined) return;
  throw new TransferError(
    'ALREADY_EXISTS',
    `${quoteName(name)} is there as ${quoteName(spelling)}, which is the same name to the file system of the server; choose another name`,
  );
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
  const { fs, directory, durability } = context;
  try {
    return await context.names.run(name, () =>
      atTarget(context, name, 'sync', async ({ parent, entry, stats }) => {
        if (stats === undefined || !isIntended(stats, intent)) return undefined;
        await removeLinkedPartial(context, id, condition);
        await durability.directory(parent);
        await directory.sync();
        const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
        return await withDescriptor(fs, parent.pathOf(entry), flags, async (fd) =>
          identityOf(name, await settledStats(fd, (opened) => fs.fstat(opened))),
        );
      }),
    );
  } catch (reason) {
    // The directory was removed or replaced.
    if (reason instanceof TransferError && ['NOT_FOUND', 'NOT_A_FILE'].includes(reason.code))
      return undefined;
    throw reason;
  }
}

/** Inodes are reused, modification times are not. */
function isIntended(stats: BigIntStats, { ino, size, mtimeNs }: IntentRecord): boolean {
  return stats.ino.toString() === ino && Number(stats.size) === size && stats.mtimeNs.toString() === mtimeNs;
}
