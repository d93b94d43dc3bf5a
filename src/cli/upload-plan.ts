/**
 * Which files a `put` sends and which name each gets: decided before the first
 * byte moves, so that wrong usage costs nothing and sizes can be summed.
 */
import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { errnoOf, TransferError } from '../base/errors.ts';
import { type CliTarget, writeCliTarget } from './target.ts';

/** The source that means standard input. */
export const STDIN_PATH = '-';

export interface UploadJob {
  /** A local path, or `-` for standard input. */
  path: string;
  name: string;
  /** Bytes, as far as looking told; undefined for what is no regular file. */
  sizeBytes: number | undefined;
}

export interface UploadPlan {
  jobs: UploadJob[];
  /** What is in the trees and is not sent, with the reason. */
  skipped: string[];
}

/** Throws INVALID_CONFIG for wrong usage and LOCAL_IO for what cannot be read. */
export async function planUploads(
  paths: readonly string[],
  target: CliTarget,
  { recursive, signal }: { recursive: boolean; signal: AbortSignal },
): Promise<UploadPlan> {
  checkUsage(paths, target);
  const plan: UploadPlan = { jobs: [], skipped: [] };
  for (const path of paths) {
    const stats = path === STDIN_PATH ? undefined : await statOf(path);
    if (stats?.isDirectory() !== true) plan.jobs.push(jobOf(path, target, stats));
    else if (recursive) await planTree(path, nameOfTree(path, target), plan, signal);
    else throw usage(`${path} is a directory; add -r to send it with everything below it`);
  }
  checkNames(plan.jobs);
  return plan;
}

/** The bytes of all jobs; undefined when one does not tell. */
export function plannedBytes(jobs: readonly UploadJob[]): number | undefined {
  let bytes = 0;
  for (const { sizeBytes } of jobs) {
    if (sizeBytes === undefined) return undefined;
    bytes += sizeBytes;
  }
  return bytes;
}

function checkUsage(paths: readonly string[], target: CliTarget): void {
  const written = writeCliTarget(target);
  if (paths.length === 0) {
    throw usage(`there is nothing to send to ${written}; write sluice put path ${written}`);
  }
  if (paths.includes(STDIN_PATH)) {
    if (paths.length > 1) throw usage('standard input (-) cannot be sent together with files');
    if (target.isDirectory)
      throw usage(`standard input has no name; write ${written}${slashAfter(target)}name`);
  }
  if (paths.length > 1 && !target.isDirectory) {
    throw usage(`several files need a directory to go to; write ${written}/`);
  }
}

/** What separates `target` from a name below it. */
function slashAfter({ server, name }: CliTarget): string {
  return name === '' && server.startsWith('unix:') ? ':' : '/';
}

function jobOf(path: string, target: CliTarget, stats: Stats | undefined): UploadJob {
  const sizeBytes = stats?.isFile() === true ? stats.size : undefined;
  const name = target.isDirectory ? nameBelow(target.name, basename(path)) : target.name;
  return { path, name, sizeBytes };
}

/** As `cp -r` does: into a directory under its own name, or as the directory that is named. */
function nameOfTree(path: string, target: CliTarget): string {
  if (!target.isDirectory) return target.name;
  const isNamed = !/^(?:.*\/)?\.{1,2}\/*$/.test(path) && resolve(path) !== '/';
  return isNamed ? nameBelow(target.name, basename(path)) : target.name;
}

async function planTree(path: string, name: string, plan: UploadPlan, signal: AbortSignal): Promise<void> {
  for (const { entry, entryName } of await entriesOf(path)) {
    if (signal.aborted) throw new TransferError('CANCELLED', 'interrupted');
    const entryPath = join(path, entryName ?? entry.name.toString());
    const reason = reasonToSkip(entry, entryName);
    if (reason !== undefined) plan.skipped.push(`${entryPath}: ${reason}`);
    else if (entry.isDirectory())
      await planTree(entryPath, nameBelow(name, entryName as string), plan, signal);
    else plan.jobs.push(jobInTree(entryPath, nameBelow(name, entryName as string), await statOf(entryPath)));
  }
}

function jobInTree(path: string, name: string, { size }: Stats): UploadJob {
  return { path, name, sizeBytes: size };
}

interface TreeEntry {
  entry: Dirent<Buffer>;
  /** Undefined when its bytes are not UTF-8, which names on a server are. */
  entryName: string | undefined;
}

/** Sorted, so that a run sends in the order of the last one. */
async function entriesOf(path: string): Promise<TreeEntry[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true, encoding: 'buffer' });
    return entries
      .map((entry) => ({ entry, entryName: decoded(entry.name) }))
      .sort((a, b) => Buffer.compare(a.entry.name, b.entry.name));
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function decoded(name: Buffer): string | undefined {
  const text = name.toString();
  return Buffer.from(text).equals(name) ? text : undefined;
}

function reasonToSkip(entry: Dirent<Buffer>, entryName: string | undefined): string | undefined {
  if (entryName === undefined) return 'its name is not UTF-8';
  if (entry.isSymbolicLink()) return 'it is a symbolic link';
  return entry.isFile() || entry.isDirectory() ? undefined : 'it is no regular file';
}

/** No two files may have the same name. */
function checkNames(jobs: readonly UploadJob[]): void {
  const pathOfName = new Map<string, string>();
  for (const { name, path } of jobs) {
    const other = pathOfName.get(name);
    if (other !== undefined) throw usage(`${other} and ${path} would both become ${name}; send them apart`);
    pathOfName.set(name, path);
  }
}

function nameBelow(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): TransferError {
  const why = errnoOf(cause) === 'ENOENT' ? 'there is no such file' : (cause as Error).message;
  return new TransferError('LOCAL_IO', `${path} cannot be read: ${why}`, { cause });
}

function usage(message: string): TransferError {
  return new TransferError('INVALID_CONFIG', message);
}
