/**
 * `npm run bench:micro`: what the parts on the path of a chunk cost, one by
 * one. Arguments name the groups to run; all when there is none.
 */
import { run } from 'mitata';
import { benchCodecs } from './codecs.ts';
import { benchCopies } from './copy.ts';
import { benchCrc32 } from './crc32.ts';
import { benchFraming } from './framing.ts';
import { benchGzip } from './gzip.ts';
import { benchJobHop } from './job-hop.ts';
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
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(GROUPS);
const finishers: (() => Promise<void>)[] = [];
for (const name of names) {
  const register = GROUPS[name];
  if (register === undefined)
    throw new Error(`no group ${name}; there are ${Object.keys(GROUPS).join(', ')}`);
  const finish = await register();
  if (finish !== undefined) finishers.push(finish);
}
await run({ colors: process.stdout.isTTY });
for (const finish of finishers) await finish();
