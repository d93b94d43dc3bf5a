/**
 * Identifies a process across reuse of its id and restarts of the machine, so
 * that a later process can tell whether it still runs.
 */
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { z } from 'zod';
import { errnoOf } from '../errors.ts';
import type { Zod } from './checked-json.ts';

export const processIdentitySchema = (zod: Zod) =>
  zod.object({
    host: zod.string(),
    pid: zod.int().min(1),
    /** Of the system; empty where there is no /proc. */
    boot: zod.string(),
    /** Clock ticks from the boot to the start of the process; empty where there is no /proc. */
    start: zod.string(),
    /** The PID namespace, in which alone `pid` means something; empty where it is not known. */
    namespace: zod.string().default(''),
  });

export type ProcessIdentity = z.infer<ReturnType<typeof processIdentitySchema>>;

let own: Promise<ProcessIdentity> | undefined;

/** As it was when it was first asked for. */
export async function thisProcess(): Promise<ProcessIdentity> {
  own ??= lookAtThisProcess();
  return await own;
}

async function lookAtThisProcess(): Promise<ProcessIdentity> {
  return {
    host: hostname(),
    pid: process.pid,
    boot: await bootId(),
    start: (await startOf('self')) ?? '',
    namespace: await linkOf('/proc/self/ns/pid'),
  };
}

export function isOfThisHost({ host }: ProcessIdentity): boolean {
  return host === hostname();
}

/**
 * Whether `isRunning` can tell of a process: its id is one of this very system
 * and PID namespace. Two containers may have one host name, and one container
 * has another at its next start.
 */
export async function isVisible({ host, boot, namespace }: ProcessIdentity): Promise<boolean> {
  const self = await thisProcess();
  if (boot !== self.boot) return false;
  if (boot === '' || namespace === '') return host === self.host;
  return namespace === self.namespace;
}

/**
 * Whether a visible process still runs. Where /proc does not tell (there is none,
 * or it hides the processes of others), any process with its id is taken for it.
 */
export async function isRunning({ pid, start }: ProcessIdentity): Promise<boolean> {
  const found = (await linkOf('/proc/self')) === String(process.pid) ? await startOf(pid) : undefined;
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

/** Empty where it cannot be read. */
async function linkOf(path: string): Promise<string> {
  try {
    return await readlink(path);
  } catch {
    return '';
  }
}

/** Undefined when that cannot be read. */
async function startOf(pid: number | 'self'): Promise<string | undefined> {
  let stats: string;
  try {
    stats = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The command's name is in parentheses and may contain anything; behind it the state is field 1, the start field 20.
  const fields = stats.slice(stats.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended.
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
