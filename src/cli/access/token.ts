/** `sluice token`: makes a token for an identity, and the entry of the access file that accepts it. */
import type { Command } from 'commander';
import { requireOwnName } from '../../access/access-file.ts';
import { newToken, tokenHash } from '../../access/proofs/tokens.ts';
import { durationArgument } from '../argument.ts';
import { writeJson, writeLine } from '../process/output.ts';

const EXAMPLES = `
Examples:
  sluice token ci                               a token for the identity ci
  sluice token ci --expires 720h                for thirty days
  sluice token ci --json

The token is shown once and stored nowhere; the access file has its SHA-256 only.
docs/access.md says what the file can say.`;

interface TokenOptions {
  expires?: number;
  json?: boolean;
}

export function addTokenCommand(program: Command): void {
  program
    .command('token')
    .description('Make a token, and the entry of the access file that accepts it.')
    .argument('<name>', 'the identity that the token proves')
    .option('--expires <duration>', 'how long the token is accepted (default: for ever)', durationArgument)
    .option('--json', 'print JSON')
    .action(async (name: string, options: TokenOptions) => printToken(name, options))
    .addHelpText('after', EXAMPLES);
}

async function printToken(identity: string, { expires: lifeMs, json }: TokenOptions): Promise<void> {
  requireOwnName(identity);
  const token = newToken();
  const sha256 = tokenHash(token);
  const expires = lifeMs === undefined ? undefined : secondsOf(Date.now() + lifeMs);
  if (json === true) {
    await writeJson({ token, entry: { identity, sha256, expires } });
    return;
  }
  const lines = [`  - identity: ${JSON.stringify(identity)}`, `    sha256: ${sha256}`];
  if (expires !== undefined) lines.push(`    expires: ${expires}`);
  await writeLine([token, '', '# For the access file:', 'tokens:', ...lines].join('\n'));
}

function secondsOf(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, 'Z');
}
