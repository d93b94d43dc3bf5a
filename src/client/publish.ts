/** Gives a finished, durable part its final name; after a crash it has the one or the other. */
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import { existsAlready, type TargetPaths } from './target-path.ts';

/** The part is already synced. Throws ALREADY_EXISTS when the target exists and must not be replaced. */
export async function publish(paths: TargetPaths, overwrite: boolean): Promise<void> {
  if (overwrite) await rename(paths.part, paths.target);
  else await linkNew(paths);
  await syncDirectory(dirname(paths.target));
}

/** `link` fails where `rename` would replace. */
async function linkNew(paths: TargetPaths): Promise<void> {
  try {
    await link(paths.part, paths.target);
  } catch (reason) {
    throw errnoOf(reason) === 'EEXIST' ? existsAlready(paths.target) : reason;
  }
  await rm(paths.part);
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
