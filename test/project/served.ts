/** A `sluice serve` process, from the moment it says that it is ready until the test ends. */
import type { TestContext } from 'node:test';
import { Child } from '../../src/cli/process/child.ts';
import { patient } from '../support/until.ts';

const READY = /^sluice is ready on (\S+), serving /m;

/** Far above what a start takes, so that only a server that hangs reaches it. */
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

/**
 * Runs `command` until the test ends; resolves with the address in its ready
 * line. Rejects with its output when it ends or takes too long.
 */
export async function served(
  t: TestContext,
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<string> {
  // A group of its own: npm and shells do not pass signals on.
  const server = new Child(command, command, args, { ...options, detached: true });
  t.after(() => stop(server));
  const [, address = ''] = await server.says(READY, patient(READY_TIMEOUT_MS));
  return address;
}

async function stop(server: Child): Promise<void> {
  if (server.hasEnded) return;
  const killer = setTimeout(() => process.kill(-server.pid, 'SIGKILL'), patient(STOP_TIMEOUT_MS));
  process.kill(-server.pid, 'SIGTERM');
  await server.ended;
  clearTimeout(killer);
}
