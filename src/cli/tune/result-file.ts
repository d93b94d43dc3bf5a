/**
 * The result as a configuration file. An existing file keeps everything that is
 * not tuned, comments too; its values change only on request.
 */
import { readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { errnoOf, TransferError } from '../../base/errors.ts';
import { parseConfigText } from '../../config/config-file.ts';
import { settingsIn } from '../../config/config-text.ts';
import { loadConfig } from '../../config/load.ts';
import { type Candidate, TUNED_KEYS, writeSetting } from './candidate.ts';
import { writePercent, writeSpread } from './chart.ts';
import type { TuneResult } from './display.ts';
import { isWide } from './gain.ts';

/** What `withValue` changes beside the tuned settings. */
const FOLLOWING_KEYS = ['chunk.maxSize'];

/** Configuration text with a comment about the measured gain. */
export function configText(result: TuneResult): string {
  return `${headLines(result)
    .map((line) => `# ${line}\n`)
    .join('')}${settingsIn('', written(result.settings))}`;
}

export interface ResultFileOptions {
  path: string;
  /** Values in the file may change. */
  force: boolean;
}

/**
 * Whether the result can be saved there, asked before the measurement rather
 * than after it. Throws INVALID_CONFIG.
 */
export function checkResultFile({ force, path }: ResultFileOptions): void {
  const text = readExisting(path);
  if (text === undefined) return;
  const { problems, values } = parseConfigText(text, path);
  if (problems.length > 0)
    throw new TransferError(
      'INVALID_CONFIG',
      `${path} is not a configuration file:\n  ${problems.join('\n  ')}`,
    );
  const taken = [...TUNED_KEYS, ...FOLLOWING_KEYS].filter((key) => values.has(key));
  if (taken.length > 0 && !force) {
    const keys = taken.join(', ');
    throw new TransferError(
      'INVALID_CONFIG',
      `${path} sets ${keys} already; --force lets sluice tune change that, and only that`,
    );
  }
}

/**
 * Saves the recommended settings; says whether anything was written. A file
 * that exists stays as it is when nothing is recommended.
 * Throws LOCAL_IO, and INVALID_CONFIG for a file that would not be valid with the settings.
 */
export function saveResult(result: TuneResult, { path }: ResultFileOptions): boolean {
  const text = readExisting(path);
  const isNothing = Object.keys(result.settings).length === 0;
  if (text !== undefined && isNothing) return false;
  replace(path, text === undefined ? configText(result) : settingsIn(text, written(result.settings)));
  return true;
}

function headLines({ gain, isInterrupted, settings, typicalSpread }: TuneResult): string[] {
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${availableParallelism()} processors, Node ${process.version}`;
  const made = `sluice tune, ${date}, ${machine}`;
  if (isInterrupted) {
    const known = Object.keys(settings).length === 0 ? 'nothing found so far' : 'the best so far';
    return [`${made}: interrupted, ${known}`];
  }
  if (gain === undefined && isWide(typicalSpread)) return [`${made}: nothing clearly faster`];
  if (gain === undefined) return [`${made}: the defaults are as good`];
  return [`${made}: ${writePercent(gain.median)} over the defaults (${writeSpread(gain)})`];
}

function written(settings: Candidate): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, writeSetting(key, value)]));
}

function readExisting(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) === 'EISDIR')
      throw new TransferError(
        'INVALID_CONFIG',
        `${path} is a directory; --write names a file, and the directory to measure comes before it: sluice tune ${path} --write`,
      );
    if (errnoOf(cause) !== 'ENOENT')
      throw new TransferError('LOCAL_IO', `${path} cannot be read (${errnoOf(cause) ?? String(cause)})`, {
        cause,
      });
    checkDirectory(path);
    return undefined;
  }
}

function checkDirectory(path: string): void {
  try {
    if (statSync(dirname(path)).isDirectory()) return;
  } catch {
    // The message is the same.
  }
  throw new TransferError(
    'INVALID_CONFIG',
    `${path} cannot be written: there is no directory ${dirname(path)}`,
  );
}

/** The file appears whole or not at all, and only if a server would take it. */
function replace(path: string, text: string): void {
  const target = existingTarget(path);
  const temporary = join(dirname(target), `.${process.pid}.sluice-tune.yaml`);
  try {
    writeFileSync(temporary, text, { mode: modeOf(target) });
    loadConfig({ filePath: temporary });
    renameSync(temporary, target);
  } catch (cause) {
    rmSync(temporary, { force: true });
    if (cause instanceof TransferError)
      throw new TransferError('INVALID_CONFIG', cause.message.replaceAll(temporary, path), { cause });
    throw new TransferError('LOCAL_IO', `${path} cannot be written (${errnoOf(cause) ?? String(cause)})`, {
      cause,
    });
  }
}

/** A symbolic link stays one. */
function existingTarget(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function modeOf(path: string): number {
  try {
    return statSync(path).mode & 0o777;
  } catch {
    return 0o644;
  }
}
