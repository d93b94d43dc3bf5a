/**
 * Why an inode is not served. Only regular files on the device of the root are:
 * anything else may block a thread for ever, has no true size, or is on another
 * disk. The texts follow the quoted name in a message.
 */
import { type BigIntStats, constants } from 'node:fs';

export const LINK_OBSTACLE = 'is a symbolic link; links are not followed, name what it points to';
const DEVICE_OBSTACLE = 'is on another file system than the root of the store; it must be served from there';

/** Why these are not the stats of a file that is served; undefined when they are. */
export function fileObstacle(
  { dev, mode }: { readonly dev: bigint; readonly mode: bigint | number },
  device: bigint,
): string | undefined {
  switch (Number(mode) & constants.S_IFMT) {
    case constants.S_IFREG:
      return dev === device ? undefined : DEVICE_OBSTACLE;
    case constants.S_IFLNK:
      return LINK_OBSTACLE;
    case constants.S_IFDIR:
      return 'is a directory; list it instead';
    case constants.S_IFIFO:
      return 'is a FIFO; only regular files are served';
    case constants.S_IFSOCK:
      return 'is a socket; only regular files are served';
    default:
      return 'is a device; only regular files are served';
  }
}

/** Why these are not the stats of a directory that is listed; undefined when they are. */
export function directoryObstacle(stats: BigIntStats, device: bigint): string | undefined {
  if (stats.isSymbolicLink()) return LINK_OBSTACLE;
  if (stats.isFile()) return 'is a file, not a directory; ask for it by its name';
  if (!stats.isDirectory()) return 'is not a directory; list the one that holds it';
  return stats.dev === device ? undefined : DEVICE_OBSTACLE;
}
