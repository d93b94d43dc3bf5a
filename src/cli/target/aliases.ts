/**
 * Names for servers that the user has chosen, in `client.yaml`:
 *
 *     aliases:
 *       prod: [h1:50051, h2:50051]
 *       local: localhost:50051
 *
 * An alias wins over a host of the same name; what is written with a port is
 * never one.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { errnoOf, TransferError } from '../../base/errors.ts';
import { parseTarget } from '../../client/connection/target.ts';
import { readError } from '../../client/local-error.ts';
import { parseYaml } from '../../config/yaml-text.ts';

const FILE_ENV = 'SLUICE_CLIENT_CONFIG';

const ALIAS = /^\w[\w.-]*$/;

const server = z.string().superRefine((written, context) => {
  try {
    parseTarget(written);
  } catch (reason) {
    context.addIssue((reason as TransferError).message);
  }
});

const inList = server.refine((written) => !written.startsWith('unix'), 'a list cannot have a Unix socket');

const clientFile = z.strictObject({
  aliases: z.record(
    z.string().regex(ALIAS, 'is no alias; use letters, digits and _ . -'),
    z.union([server, z.array(inList).min(1, 'the list of servers is empty')], {
      error: 'write a server, or a list of servers in brackets',
    }),
    { error: 'write aliases as `name: [host:port, host:port]`, indented below it' },
  ),
});

/** The servers as the client takes them. Throws INVALID_CONFIG for a file that cannot be used, with the line. */
export function withoutAliases(servers: readonly string[], environment = process.env): string {
  if (!servers.some((each) => ALIAS.test(each))) return servers.join(',');
  const aliases = readAliases(environment);
  return servers.map((each) => aliases.get(each) ?? each).join(',');
}

function readAliases(environment: NodeJS.ProcessEnv): ReadonlyMap<string, string> {
  const named = environment[FILE_ENV];
  const path =
    named || join(environment.XDG_CONFIG_HOME || join(homedir(), '.config'), 'sluice', 'client.yaml');
  const text = readText(path, named !== undefined && named !== '');
  const { lineAt, problems, value } = parseYaml(text);
  if (problems.length > 0) throw new TransferError('INVALID_CONFIG', `${path}: ${problems.join('; ')}`);
  if (value === null) return new Map();
  const { data, error } = clientFile.safeParse(value);
  if (error !== undefined) {
    const [issue] = error.issues;
    throw new TransferError('INVALID_CONFIG', `${path}:${lineAt(issue?.path ?? [])}: ${problemOf(issue)}`);
  }
  return new Map(Object.entries(data.aliases).map(([alias, given]) => [alias, [given].flat().join(',')]));
}

/** Nothing where nobody has named the file and there is none. */
function readText(path: string, isNamed: boolean): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const errno = errnoOf(cause);
    if (!isNamed && (errno === 'ENOENT' || errno === 'ENOTDIR')) return '';
    const from = isNamed ? `${FILE_ENV}: ` : '';
    throw new TransferError('INVALID_CONFIG', `${from}${readError('cannot read', path, cause).message}`);
  }
}

/** Of a union, what is wrong with the form that was chosen. */
function problemOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'cannot be used';
  if (issue.code === 'unrecognized_keys') return `unknown setting ${issue.keys.join(', ')}; there is aliases`;
  if (issue.code === 'invalid_key') return `${String(issue.path.at(-1))} ${issue.issues[0]?.message}`;
  const where = issue.path.length > 1 ? `aliases.${String(issue.path[1])}: ` : '';
  if (issue.code !== 'invalid_union') return where + issue.message;
  const meant = issue.errors.flat().find(({ code }) => code !== 'invalid_type');
  return where + (meant?.message ?? issue.message);
}
