/**
 * Reads access files. All mistakes of a file are reported at once, each with its
 * line and the remedy.
 */
import { readFile } from 'node:fs/promises';
import { errnoOf, TransferError } from '../base/errors.ts';
import { parseYaml } from '../config/yaml-text.ts';
import { memberProblems, placeOf, problemsOf, relationProblems } from './access-mistakes.ts';
import { type AccessRules, accessSchema, ownName } from './access-schema.ts';

/** Longer files are no access files. */
const MAX_FILE_CHARS = 4 * 1024 * 1024;

/** The access file `path`. Throws INVALID_CONFIG with one line for each mistake. */
export async function readAccessFile(path: string): Promise<AccessRules> {
  let written: string;
  try {
    written = await readFile(path, 'utf8');
  } catch (cause) {
    const why = errnoOf(cause) === 'ENOENT' ? 'there is no such file' : `cannot be read (${errnoOf(cause)})`;
    throw new TransferError('INVALID_CONFIG', `access ${path}: ${why}`, { cause });
  }
  return parseAccess(written, path);
}

/** As `readAccessFile`; `path` is for messages only. */
export function parseAccess(written: string, path: string): AccessRules {
  if (written.length > MAX_FILE_CHARS) throw unusable(path, ['is longer than any access file']);
  const { lineAt, problems, value } = parseYaml(written);
  if (problems.length > 0) throw unusable(path, problems);
  const result = accessSchema.safeParse(value ?? {}, { reportInput: true });
  if (!result.success) {
    const told = result.error.issues.flatMap((issue) => problemsOf(issue).map((each) => ({ ...each })));
    throw unusable(
      path,
      told.map(({ at, what }) => `line ${lineAt(at)}: ${placeOf(at)} ${what}`),
    );
  }
  const relations = relationProblems(result.data).map(
    ({ at, what }) => `line ${lineAt(at)}: ${placeOf(at)} ${what}`,
  );
  if (relations.length > 0) throw unusable(path, relations);
  return result.data;
}

/** Throws INVALID_CONFIG for what cannot be the name of an identity of an access file. */
export function requireOwnName(name: string): void {
  const [issue] = ownName.safeParse(name).error?.issues ?? [];
  if (issue !== undefined)
    throw new TransferError('INVALID_CONFIG', `${JSON.stringify(name)} ${issue.message}`);
}

/** Throws INVALID_CONFIG for an identity that nothing in the file proves. */
export function requireKnown(rules: AccessRules, name: string): void {
  const [problem] = memberProblems(rules, name, []);
  if (problem !== undefined)
    throw new TransferError('INVALID_CONFIG', `${JSON.stringify(name)} ${problem.what}`);
}

function unusable(path: string, problems: readonly string[]): TransferError {
  return new TransferError(
    'INVALID_CONFIG',
    problems.map((problem) => `access ${path}: ${problem}`).join('\n'),
  );
}
