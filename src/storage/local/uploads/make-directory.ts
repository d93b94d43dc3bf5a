/** Makes a directory of the store, and those above it, durably. */
import { constants } from 'node:fs';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { quoteName } from '../../quoted-name.ts';
import { modeOf } from '../file-identity.ts';
import { directoryObstacle } from '../obstacle.ts';
import { withDescriptor } from './disk/file-system.ts';
import type { UploadContext } from './options.ts';
import { atEntry, DIRECTORY_MODE, type Place, whileDirectoriesVanish } from './target.ts';

/** What a new directory needs to be opened and given its mode. */
const OWNER_ENTERS = 0o500;

const OPEN_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * OK when it is there already; only a new one gets the bits of 0777 of `mode`.
 *
 * @throws TransferError NOT_A_FILE when something else is there or on the way, and those of writing.
 */
export async function makeDirectory(context: UploadContext, name: string, mode?: number): Promise<void> {
  await context.locks.names.run(name, () =>
    whileDirectoriesVanish(() =>
      atEntry(context, name, 'make', async (place) => {
        if (await isMade(context, place, mode)) await giveMode(context, place, mode);
        else await requireDirectory(context, name, place);
        await context.groupSync.run({ count: 1, each: () => context.durability.directory(place.parent) });
      }),
    ),
  );
}

async function isMade(
  { fs }: UploadContext,
  { entry, parent }: Place,
  mode: number | undefined,
): Promise<boolean> {
  const first = mode === undefined ? DIRECTORY_MODE : (mode & DIRECTORY_MODE) | OWNER_ENTERS;
  try {
    await fs.mkdir(parent.pathOf(entry), first);
    return true;
  } catch (reason) {
    if (errnoOf(reason) === 'EEXIST') return false;
    throw reason;
  }
}

/** Exactly that mode, whatever the umask left of it. */
async function giveMode(
  { durability, fs }: UploadContext,
  { entry, parent }: Place,
  mode: number | undefined,
): Promise<void> {
  if (mode === undefined) return;
  await withDescriptor(fs, parent.pathOf(entry), OPEN_FLAGS, async (fd) => {
    const own = modeOf(await fs.fstat(fd));
    // A set-group-id bit that it inherited stays.
    const asked = (own & ~DIRECTORY_MODE) | (mode & DIRECTORY_MODE);
    if (asked === own) return;
    await fs.fchmod(fd, asked);
    await durability.attributes(fd);
  });
}

async function requireDirectory(
  { fs, root }: UploadContext,
  name: string,
  { entry, parent }: Place,
): Promise<void> {
  const stats = await fs.lstat(parent.pathOf(entry));
  const obstacle = stats.isFile()
    ? 'is a file; choose another name for the directory'
    : directoryObstacle(stats, root.device);
  if (obstacle !== undefined) throw new TransferError('NOT_A_FILE', `${quoteName(name)} ${obstacle}`);
}
