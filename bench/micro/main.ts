/**
 * `npm run bench:micro`: what the parts on the path of a chunk cost, one by
 * one. Arguments name the groups to run; all when there is none.
 */
import { Argument, Command, InvalidArgumentError } from 'commander';
import { run } from 'mitata';
import { benchCodecs } from './codecs.ts';
import { benchCopies } from './copy.ts';
import { benchCrc32 } from './crc32.ts';
import { benchFraming } from './framing.ts';
import { benchGzip } from './gzip.ts';
import { benchJobHop } from './job-hop.ts';
import { benchPacks } from './packs.ts';
import { benchSlabs } from './slabs.ts';

/** Each registers its benches and returns what to do after them. */
const GROUPS: Readonly<Record<string, () => void | Promise<() => Promise<void>>>> = {
  slabs: benchSlabs,
  framing: benchFraming,
  crc32: benchCrc32,
  copy: benchCopies,
  gzip: benchGzip,
  codecs: benchCodecs,
  'job-hop': benchJobHop,
  packs: benchPacks,
};

await new Command('bench:micro')
  .description('Measures what the parts on the path of a chunk cost, one by one.')
  .addArgument(new Argument('[group...]', 'which to run; all when none is named').argParser(parseGroups))
  .action(bench)
  .parseAsync();

function parseGroups(name: string, before: readonly string[] = []): readonly string[] {
  if (Object.hasOwn(GROUPS, name)) return [...before, name];
  throw new InvalidArgumentError(`There is no group ${name}; there are ${Object.keys(GROUPS).join(', ')}.`);
}

async function bench(named: readonly string[]): Promise<void> {
  const finishers: (() => Promise<void>)[] = [];
  for (const name of named.length > 0 ? named : Object.keys(GROUPS)) {
    const finish = await GROUPS[name]?.();
    if (finish !== undefined) finishers.push(finish);
  }
  await run({ colors: process.stdout.isTTY });
  for (const finish of finishers) await finish();
}
