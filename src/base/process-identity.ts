/**
 * Which process is meant, so that a later one can tell whether it still runs: by
 * then its id may belong to another program, and the machine may have been
 * started again.
 */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { errnoOf } from './errors.ts';

export const processIdentitySchema = z.object({
  host: z.string(),
  pid: z.int().min(1),
  /** Of the system; empty where there is no /proc. */
  boot: z.string(),
  /** Clock ticks from the boot to the start of the process; empty where there is no /proc. */
  start: z.string(),
});

export type ProcessIdentity = z.infer<typeof processIdentitySchema>;

export async function thisProcess(): Promise<ProcessIdentity> {
  const { pid } = process;
  return { host: hostname(), pid, boot: await bootId(), start: (await startOf(pid)) ?? '' };
}

export function isOfThisHost({ host }: ProcessIdentity): boolean {
  return host === hostname();
}

/**
 * Whether a process of this host still runs. Where /proc does not tell (there is
 * none, or it hides the processes of others), any process with its id is taken for it.
 */
export async function isRunning({ pid, boot, start }: ProcessIdentity): Promise<boolean> {
  const bootNow = await bootId();
  if (boot !== '' && bootNow !== '' && boot !== bootNow) return false;
  const found = await startOf(pid);
  if (found !== undefined && start !== '') return found === start;
  return hasProcess(pid);
}

async function bootId(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    return '';
  }
}

/** Undefined when that cannot be read. */
async function startOf(pid: number): Promise<string | undefined> {
  let stats: string;
  try {
    stats = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The command's name is in parentheses and may contain anything; after it the state is first, the start 20th.
  const fields = stats.slice(stats.lastIndexOf(')') + 2).split(' ');
  // What has ended and is only not collected yet does nothing any more.
  return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : fields[19];
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (reason) {
    return errnoOf(reason) === 'EPERM';
  }
}
