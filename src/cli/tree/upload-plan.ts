/**
 * Which files a `put` sends and which name each gets. Wrong usage is found
 * before the first byte moves.
 */
import { basename, resolve } from 'node:path';
import { TransferError } from '../../base/errors.ts';
import type { Planner } from '../../client/tree/plan/plan.ts';
import {
  isTree,
  type LocalSource,
  planUploads as planSources,
  statsOf,
  type UploadJob,
  type UploadPlanOptions,
} from '../../client/tree/upload/upload-plan.ts';
import { type CliTarget, writeCliTarget } from '../target/target.ts';

/** The argument that means standard input. */
const STDIN_ARGUMENT = '-';

export function isStdin(paths: readonly string[]): boolean {
  return paths.includes(STDIN_ARGUMENT);
}

/** Throws INVALID_CONFIG for wrong usage; what cannot be read is an item of the plan. */
export async function planUploads(
  paths: readonly string[],
  target: CliTarget,
  options: UploadPlanOptions,
): Promise<Planner<UploadJob>> {
  checkUsage(paths, target);
  if (isStdin(paths)) return () => planStdin(target);
  const sources = await Promise.all(paths.map((path) => sourceOf(path, target)));
  const tree = sources.find(isTree);
  if (tree !== undefined && !options.recursive)
    throw usage(`${tree.path} is a directory; add -r to send it with everything below it`);
  checkNames(sources.filter((source) => !isTree(source)));
  return (context) => planSources(sources, options, context);
}

async function* planStdin({ name }: CliTarget): ReturnType<Planner<UploadJob>> {
  const source = process.stdin;
  const job = { path: STDIN_ARGUMENT, name, source, sizeBytes: undefined, isStored: false, attributes: {} };
  yield { kind: 'file', job };
}

function checkUsage(paths: readonly string[], target: CliTarget): void {
  const written = writeCliTarget(target);
  if (paths.length === 0) {
    throw usage(`there is nothing to send to ${written}; write sluice put path ${written}`);
  }
  if (isStdin(paths)) {
    if (paths.length > 1) throw usage('standard input (-) cannot be sent together with files');
    if (target.isDirectory)
      throw usage(`standard input has no name; write ${written}${slashAfter(target)}name`);
  }
  if (paths.length > 1 && !target.isDirectory) {
    throw usage(`several files need a directory to go to; write ${written}/`);
  }
}

function slashAfter({ server, name }: CliTarget): string {
  return name === '' && server.startsWith('unix:') ? ':' : '/';
}

async function sourceOf(path: string, target: CliTarget): Promise<LocalSource> {
  const found = await statsOf(path);
  const isDirectory = 'isDirectory' in found && found.isDirectory();
  return { path, name: isDirectory ? nameOfTree(path, target) : nameOfFile(path, target), found };
}

function nameOfFile(path: string, target: CliTarget): string {
  return target.isDirectory ? nameBelow(target.name, basename(path)) : target.name;
}

/** As `cp -r`: into a directory under its own name, or as the directory that is named. */
function nameOfTree(path: string, target: CliTarget): string {
  if (!target.isDirectory) return target.name;
  const isNamed = !/^(?:.*\/)?\.{1,2}\/*$/.test(path) && resolve(path) !== '/';
  return isNamed ? nameBelow(target.name, basename(path)) : target.name;
}

/** No two files may have the same name. */
function checkNames(files: readonly LocalSource[]): void {
  const pathOfName = new Map<string, string>();
  for (const { name, path } of files) {
    const other = pathOfName.get(name);
    if (other !== undefined) throw usage(`${other} and ${path} would both become ${name}; send them apart`);
    pathOfName.set(name, path);
  }
}

function nameBelow(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

function usage(message: string): TransferError {
  return new TransferError('INVALID_CONFIG', message);
}
