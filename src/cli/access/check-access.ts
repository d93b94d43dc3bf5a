/** `sluice config check-access`: what an identity may do, decided by the code that a server runs. */
import { Argument, type Command } from 'commander';
import { readAccessFile, requireKnown } from '../../access/access-file.ts';
import { ANONYMOUS, type Identity } from '../../access/identity.ts';
import { FilePolicy } from '../../access/policy.ts';
import { isPathRight, RIGHTS, type Right } from '../../access/rights.ts';
import { TransferError } from '../../base/errors.ts';
import { writeJson, writeLine } from '../process/output.ts';
import { loadFromCommand } from '../setting-options.ts';

const EXAMPLES = `
Examples:
  sluice config check-access ci write models/a.bin --access access.yaml
  sluice config check-access jwt:alice list home/alice --group jwt:staff --access access.yaml
  sluice config check-access anonymous read public/x --access access.yaml
  sluice config check-access ops observe --access access.yaml

The exit code is 0 where it is allowed, and 4 where it is not.`;

interface CheckOptions {
  group: string[];
}

export function addCheckAccessCommand(config: Command): void {
  config
    .command('check-access')
    .description('Say whether an identity has a right, and by which rule.')
    .argument('<identity>', 'as rules name it; anonymous for a caller without one')
    .addArgument(new Argument('<right>', 'what it wants to do').choices(RIGHTS))
    .argument('[path]', 'the name of a file or directory (default: the root)', '')
    .option('--group <group>', 'a group that its JWT names; may be repeated', collect, [])
    .action(async (identity: string, right: Right, path: string, { group }: CheckOptions) =>
      check(config, identity, right, path, group),
    )
    .addHelpText('after', EXAMPLES);
}

/** The flags of `config` are its own, wherever they stand. */
async function check(
  config: Command,
  name: string,
  right: Right,
  path: string,
  groups: readonly string[],
): Promise<void> {
  const { access } = loadFromCommand(config).config;
  const { json } = config.opts<{ json?: boolean }>();
  if (access === '')
    throw new TransferError('INVALID_CONFIG', 'there is no access file; name one by --access');
  const rules = await readAccessFile(access);
  if (name !== ANONYMOUS.name) requireKnown(rules, name);
  const identity: Identity =
    name === ANONYMOUS.name ? ANONYMOUS : { ...ANONYMOUS, name, groups, proof: 'token' };
  const policy = new FilePolicy(rules);
  const grant = policy.explain(identity, right, path);
  if (json === true) await writeJson({ identity: name, right, path, allowed: grant !== null, grant });
  const what = isPathRight(right) ? `${right} ${JSON.stringify(path)}` : right;
  if (grant === null) {
    const memberOf = policy.groupsOf(identity);
    const member = memberOf.length === 0 ? '' : ` (in ${memberOf.join(', ')})`;
    throw new TransferError('PERMISSION_DENIED', `${name}${member} may not ${what}: no rule allows it`);
  }
  if (json === true) return;
  const by = grant.pattern === undefined ? '' : ` on ${JSON.stringify(grant.pattern)}`;
  await writeLine(`${name} may ${what}: rules[${grant.rule}] allows it to ${JSON.stringify(grant.who)}${by}`);
}

function collect(group: string, groups: readonly string[]): string[] {
  return [...groups, group];
}
