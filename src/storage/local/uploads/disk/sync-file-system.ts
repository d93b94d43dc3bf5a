/**
 * One sync of a whole file system. Node has no syncfs(2); coreutils and busybox
 * have it as `sync -f`. It is worth its process, and other people's dirty pages,
 * where it takes the place of many fsyncs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { release } from 'node:os';
import { errnoOf } from '../../../../base/errors.ts';

/** The first whose syncfs(2) says that pages could not be written. */
const REPORTING_KERNEL = [5, 8] as const;

/**
 * Makes everything durable that was written to the file system of the directory `path`. Throws system
 * errors: ENOSYS where that cannot be had, EIO where it failed.
 */
export async function syncFileSystem(path: string): Promise<void> {
  if (process.platform !== 'linux' || !reportsErrors(release())) throw systemError('ENOSYS');
  // In a group of its own: a Ctrl-C in the terminal of a server must not make its last writes fail.
  const child = spawn('sync', ['-f', '.'], { cwd: path, stdio: 'ignore', detached: true });
  let code: unknown;
  try {
    [code] = await once(child, 'exit');
  } catch (reason) {
    throw errnoOf(reason) === 'ENOENT' ? systemError('ENOSYS') : reason;
  }
  if (code !== 0) throw systemError('EIO');
}

function reportsErrors(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [firstMajor, firstMinor] = REPORTING_KERNEL;
  return major > firstMajor || (major === firstMajor && minor >= firstMinor);
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: sync -f`), { code });
}
