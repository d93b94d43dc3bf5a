/** The servers that are measured, and what all measurements share. */
import type { Server } from '../../harness/contender.ts';
import { startSluice } from '../../peers/sluice.ts';

export interface Bench {
  /** Of the files that are served. */
  readonly directory: string;
  /** A large file of random bytes in it, in the page cache. */
  readonly file: string;
  /** The same of text. */
  readonly textFile: string;
  readonly tls: { readonly flags: readonly string[]; readonly ca: string };
  /** Of each measurement. */
  readonly seconds: number;
}

/** Beyond what any measurement needs, so that none of them is refused. */
const LIMITS = ['--limits-connections=4096', '--limits-streams=4096', '--limits-upload-streams=256'];

/** Runs `work` on a fresh server. */
export async function servedBy<T>(
  bench: Bench,
  how: { directory?: string; tls?: boolean; flags?: readonly string[] },
  work: (server: Server) => Promise<T>,
): Promise<T> {
  const { directory = bench.directory, tls = false, flags = [] } = how;
  const server = await startSluice(directory, [...LIMITS, ...(tls ? bench.tls.flags : []), ...flags]);
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}
