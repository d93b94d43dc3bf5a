/**
 * Cases that move whole trees, each with a server of its own that has moved the same tree before. That one stays
 * until the end: ext4 looks for a new file's inode past those that were removed in the last seconds, one by one, and
 * a file takes ten times as long.
 */
import { join } from 'node:path';
import type { TreePeer } from '../peers/trees.ts';
import { measureCommands } from './commands.ts';
import type { Server } from './contender.ts';
import { fromAfar } from './far.ts';
import type { Metrics } from './metrics.ts';
import type { BenchContext, Case } from './scenario.ts';
import { withEmptyDirectory } from './uploads.ts';

/** How far the server is: without a link between, or through one. */
export type Distance = 'here' | number;

/** `sluice get 10000, 16 ms`. */
export function treeCaseName(what: string, distance: Distance): string {
  return distance === 'here' ? what : `${what}, ${distance} ms`;
}

/** Fetches the tree `name` of the served directory. */
export function getCase(
  { files }: BenchContext,
  peer: TreePeer,
  what: string,
  name: string,
  distance: Distance = 'here',
): Case {
  return {
    name: treeCaseName(what, distance),
    measure: () =>
      withEmptyDirectory(files.directory, (empty) =>
        atDistance(peer, files.directory, distance, async (near, far) => {
          await measureCommands(peer.get(near.target, name, join(empty, 'warm-up')), near);
          return await measureCommands(peer.get(far.target, name, join(empty, 'tree')), far);
        }),
      ),
  };
}

/** Sends the tree `name` of the directory of test files to an empty directory. */
export function putCase(
  { files }: BenchContext,
  peer: TreePeer,
  what: string,
  name: string,
  distance: Distance = 'here',
): Case {
  return {
    name: treeCaseName(what, distance),
    measure: () =>
      withEmptyDirectory(files.directory, (empty) =>
        atDistance(peer, empty, distance, async (near, far) => {
          const from = join(files.directory, name);
          await measureCommands(peer.put(near.target, from, 'warm-up'), near);
          return await measureCommands(peer.put(far.target, from, 'tree'), far);
        }),
      ),
  };
}

async function atDistance(
  peer: TreePeer,
  directory: string,
  distance: Distance,
  work: (near: Server, far: Server) => Promise<Metrics>,
): Promise<Metrics> {
  const server = await peer.start(directory);
  try {
    if (distance === 'here') return await work(server, server);
    return await fromAfar(server, distance, (far) => work(server, far));
  } finally {
    await server.stop();
  }
}
