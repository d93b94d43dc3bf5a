/** sluice itself as a contender: its server with its defaults, its client. */
import { existsSync } from 'node:fs';
import { type Contender, driverContender, type Server, startServer } from '../harness/contender.ts';
import { compiledPath } from '../harness/paths.ts';

/** Its defaults, but that servers side by side share no port, and all streams of a bench come over one connection, as for the other contenders. */
const SERVE_FLAGS = [
  '--listen=127.0.0.1:0',
  '--admin-listen=off',
  '--log-format=json',
  '--log-level=warn',
  '--limits-streams-per-connection=256',
];

export const sluice: Contender = driverContender(
  'sluice',
  (directory) => startSluice(directory),
  'sluice-driver',
  'tuned',
);

/** Serves a directory with further flags of `sluice serve`, and of Node; `log` is a descriptor for its log. */
export async function startSluice(
  directory: string,
  flags: readonly string[] = [],
  nodeFlags: readonly string[] = [],
  log?: number,
): Promise<Server> {
  const program = compiledPath('src/cli/sluice.cjs');
  if (!existsSync(program)) throw new Error(`there is no ${program}; build it first: npm run build`);
  const serve = [...nodeFlags, program, 'serve', directory, ...SERVE_FLAGS, ...flags];
  return startServer('sluice', process.execPath, serve, log);
}
