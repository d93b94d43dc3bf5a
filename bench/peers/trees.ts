/** Who moves whole trees: the built command of sluice, and rsync with its daemon. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../src/cli/process/child.ts';
import type { Command } from '../harness/commands.ts';
import type { Server } from '../harness/contender.ts';
import { compiledPath } from '../harness/paths.ts';
import { findFreePort } from '../harness/ports.ts';
import { findProgram } from '../harness/programs.ts';
import { startSluice } from './sluice.ts';

export interface TreePeer {
  readonly name: string;
  /** Serves a directory, and takes files into it. */
  start(directory: string): Promise<Server>;
  /** Fetches the tree `name` from `target` (host:port) to the path `to`, which is missing. */
  get(target: string, name: string, to: string): readonly Command[];
  /** Sends the tree at the path `from` to `target`, where `name` is missing; it is durable at the end. */
  put(target: string, from: string, name: string): readonly Command[];
}

const SLUICE: Command = [process.execPath, compiledPath('src/cli/sluice.cjs')];

export const sluiceTrees: TreePeer = {
  name: 'sluice',
  start: (directory) => startSluice(directory, ['--writable']),
  get: (target, name, to) => [[...SLUICE, 'get', '-q', '-r', '-o', to, `${target}/${name}`]],
  put: (target, from, name) => [[...SLUICE, 'put', '-q', '-r', from, `${target}/${name}`]],
};

export const rsyncTrees: TreePeer = {
  name: 'rsync',
  start: startRsync,
  get: (target, name, to) => [['rsync', '-a', `rsync://${target}/files/${name}/`, to]],
  put: (target, from, name) => [['rsync', '-a', `${from}/`, `rsync://${target}/files/${name}`], ['sync']],
};

/** Why there is no rsync here; undefined where there is one. */
export function withoutRsync(): string | undefined {
  return findProgram('rsync') === undefined ? 'rsync is not installed (Debian: rsync)' : undefined;
}

const START_ATTEMPTS = 200;
const START_INTERVAL_MS = 25;

async function startRsync(directory: string): Promise<Server> {
  const port = await findFreePort();
  const place = mkdtempSync(join(tmpdir(), 'sluice-bench-rsync-'));
  const path = join(place, 'rsyncd.conf');
  writeFileSync(path, configuration(port, place, directory));
  const child = new Child('rsync', 'rsync', ['--daemon', '--no-detach', `--config=${path}`]);
  const stop = async () => {
    await child.end('SIGTERM');
    rmSync(place, { recursive: true, force: true });
  };
  for (let attempt = 0; attempt < START_ATTEMPTS && !child.hasEnded; attempt += 1) {
    if (await accepts(port)) return { target: `127.0.0.1:${port}`, pid: child.pid, stop };
    await sleep(START_INTERVAL_MS);
  }
  await stop();
  throw new Error(`rsync does not start: ${child.stderr}`);
}

/** The daemon of root would become nobody, who writes nothing here. */
function configuration(port: number, place: string, directory: string): string {
  const identity = process.getuid?.() === 0 ? 'uid = root\ngid = root\n' : '';
  return `port = ${port}
address = 127.0.0.1
pid file = ${place}/pid
log file = ${place}/log
reverse lookup = no
use chroot = no
${identity}[files]
path = ${directory}
read only = no
`;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
    socket.once('connect', () => socket.end());
  });
}
