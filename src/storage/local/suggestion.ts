/**
 * "Did you mean …?" for a missing name. Tells nothing that a listing would not;
 * looks at a bounded number of entries of one directory, and at none when misses
 * exhaust the budget of time.
 */
import { opendir } from 'node:fs/promises';
import { distance } from 'fastest-levenshtein';
import { errnoOf, TransferError } from '../../base/errors.ts';
import { entryOfRaw, nameOfEntry } from '../entry-name.ts';
import { quoteName } from '../quoted-name.ts';
import type { Directory } from './directory.ts';
import { SuggestionBudget } from './suggestion-budget.ts';

/** The most entries of a directory that are compared with a name. */
const MAX_COMPARED_ENTRIES = 500;

/** The most edits between the name and a suggestion, and the characters of the name for each edit. */
const MAX_EDITS = 3;
const CHARACTERS_PER_EDIT = 3;

/** Longer names are compared only for case: a thousand distances of 240 characters would hold the event loop for 13 ms. */
const MAX_MEASURED_CHARACTERS = 64;

/** One for the process, because all stores share the event loop. */
const BUDGET = new SuggestionBudget();

/** `error` with the name that was probably meant, or with the advice to list the directory. */
export async function withSuggestion(
  error: TransferError,
  root: Directory,
  components: readonly string[],
  budget = BUDGET,
): Promise<TransferError> {
  const nearest = await budget.spend(() => nearestName(root, components));
  const remedy =
    nearest === undefined ? 'list the directory to see what there is' : `did you mean ${quoteName(nearest)}?`;
  return new TransferError('NOT_FOUND', `${error.message}; ${remedy}`, { cause: error.cause });
}

async function nearestName(root: Directory, components: readonly string[]): Promise<string | undefined> {
  try {
    return await nearestBelow(root, '', components);
  } catch {
    // Suggestions are a courtesy: on any failure (no descriptors, no permission) the peer gets the plain error.
    return undefined;
  }
}

/** Follows `components` from the directory `prefix` to the first that is missing; looks for its nearest sibling. */
async function nearestBelow(
  directory: Directory,
  prefix: string,
  components: readonly string[],
): Promise<string | undefined> {
  const [wanted, ...rest] = components;
  if (wanted === undefined) return undefined;
  const isLast = rest.length === 0;
  const child = isLast ? undefined : await enterIfThere(directory, wanted);
  if (child === undefined) return await nearestEntry(directory, prefix, wanted, !isLast);
  try {
    return await nearestBelow(child, prefix === '' ? wanted : `${prefix}/${wanted}`, rest);
  } finally {
    await child.close();
  }
}

async function enterIfThere(directory: Directory, component: string): Promise<Directory | undefined> {
  try {
    return await directory.enter(component);
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
}

async function nearestEntry(
  directory: Directory,
  prefix: string,
  wanted: string,
  onlyDirectories: boolean,
): Promise<string | undefined> {
  const foldedWanted = foldCase(wanted);
  const isPlain = ASCII.test(wanted);
  let maxEdits = maxEditsOf(wanted);
  let nearest: string | undefined;
  for await (const entry of someEntries(directory, onlyDirectories)) {
    if (entry === wanted) continue;
    // The length alone tells most plain names apart; an accent may be one character or two.
    const isComparable = !isPlain || Math.abs(entry.length - wanted.length) <= maxEdits || !ASCII.test(entry);
    if (!isComparable) continue;
    const isSameButForCase = foldCase(entry) === foldedWanted;
    const edits = isSameButForCase ? 0 : editsWithin(maxEdits, wanted, entry);
    if (edits === undefined) continue;
    const name = nameOfEntry(prefix, entry);
    if (name === undefined) continue;
    if (isSameButForCase) return name;
    nearest = name;
    maxEdits = edits - 1;
  }
  return nearest;
}

/** The first `MAX_COMPARED_ENTRIES` of a directory, in no order: files and directories, or only these. */
async function* someEntries(directory: Directory, onlyDirectories: boolean): AsyncGenerator<string> {
  const entries = await opendir(directory.pathOf('.'), {
    encoding: 'latin1',
    bufferSize: MAX_COMPARED_ENTRIES,
  });
  let seen = 0;
  for await (const dirent of entries) {
    seen += 1;
    if (seen > MAX_COMPARED_ENTRIES) return;
    if (!dirent.isDirectory() && (onlyDirectories || !dirent.isFile())) continue;
    const entry = entryOfRaw(dirent.name);
    if (entry !== undefined) yield entry;
  }
}

function maxEditsOf(wanted: string): number {
  if (wanted.length > MAX_MEASURED_CHARACTERS) return 0;
  return Math.min(MAX_EDITS, Math.floor(wanted.length / CHARACTERS_PER_EDIT));
}

const ASCII = /^[ -~]*$/;

/** Equal for names that differ in case, or in how their accents are encoded. */
function foldCase(text: string): string {
  return (ASCII.test(text) ? text : text.normalize('NFC')).toLowerCase();
}

function editsWithin(maxEdits: number, wanted: string, candidate: string): number | undefined {
  if (maxEdits === 0 || Math.abs(wanted.length - candidate.length) > maxEdits) return undefined;
  const edits = distance(wanted, candidate);
  return edits <= maxEdits ? edits : undefined;
}
