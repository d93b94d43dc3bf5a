/** Commands as people run them: measured from before their process starts until it has ended. */

import { setTimeout as sleep } from 'node:timers/promises';
import { MIB } from '../../src/base/units.ts';
import { Child } from '../../src/cli/process/child.ts';
import type { Server } from './contender.ts';
import type { Metrics } from './metrics.ts';
import { hasChildren, readChildrenCpuSeconds, readCpuSeconds, readPeakRssBytes } from './proc.ts';

/** A program with its arguments. */
export type Command = readonly [program: string, ...args: string[]];

const COMMAND_TIMEOUT_MS = 600_000;

/** Between two looks at the memory of a command, whose peak is gone with its process. */
const LOOK_MS = 20;

/** Until what a server does for one connection has ended, where that is a process. */
const LOOKS_AT_CHILDREN = 250;

/** Runs commands one after the other; they are measured as one. */
export async function measureCommands(
  commands: readonly Command[],
  { pid }: Pick<Server, 'pid'>,
): Promise<Metrics> {
  const serverCpuBefore = readCpuSeconds(pid) + readChildrenCpuSeconds(pid);
  const clientCpuBefore = readChildrenCpuSeconds(process.pid);
  const startMs = performance.now();
  let clientPeakRssBytes = 0;
  for (const command of commands) {
    clientPeakRssBytes = Math.max(clientPeakRssBytes, await runCommand(command));
  }
  const seconds = (performance.now() - startMs) / 1000;
  const clientCpuSeconds = readChildrenCpuSeconds(process.pid) - clientCpuBefore;
  await childrenEnded(pid);
  return {
    seconds,
    clientCpuSeconds,
    serverCpuSeconds: readCpuSeconds(pid) + readChildrenCpuSeconds(pid) - serverCpuBefore,
    serverPeakRssMib: readPeakRssBytes(pid) / MIB,
    clientPeakRssMib: clientPeakRssBytes / MIB,
  };
}

/** Resolves with the most memory that its process had, as far as that was seen. */
async function runCommand([program, ...args]: Command): Promise<number> {
  const child = new Child(program, program, args);
  let peakBytes = 0;
  const timer = setInterval(() => {
    try {
      peakBytes = readPeakRssBytes(child.pid);
    } catch {
      // It has ended just now.
    }
  }, LOOK_MS);
  try {
    await child.succeed(COMMAND_TIMEOUT_MS);
  } finally {
    clearInterval(timer);
  }
  return peakBytes;
}

async function childrenEnded(pid: number): Promise<void> {
  for (let look = 0; look < LOOKS_AT_CHILDREN && hasChildren(pid); look += 1) await sleep(LOOK_MS);
}
