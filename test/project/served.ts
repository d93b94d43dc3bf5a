/**
 * A `sluice serve` process, from the moment it says that it is ready until the
 * test ends. Output is kept to be shown when it does not come up.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
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
  const server = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => stop(server));
  return readyAddress(server);
}

function readyAddress(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => fail('is not ready in time'), patient(READY_TIMEOUT_MS));
    const fail = (problem: string) => {
      clearTimeout(timer);
      reject(new Error(`the server ${problem}:\n${output}`));
    };
    const read = (text: string) => {
      output += text;
      const address = READY.exec(output)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    };
    server.stdout?.setEncoding('utf8').on('data', read);
    server.stderr?.setEncoding('utf8').on('data', read);
    server.once('error', (reason) => fail(reason.message));
    server.once('exit', (code) => fail(`ended with ${code}`));
  });
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null || server.pid === undefined) return;
  const { pid } = server;
  const killer = setTimeout(() => process.kill(-pid, 'SIGKILL'), patient(STOP_TIMEOUT_MS));
  const exited = once(server, 'exit');
  process.kill(-pid, 'SIGTERM');
  await exited;
  clearTimeout(killer);
}
