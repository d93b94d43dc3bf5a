/**
 * The last step of a command: flushes the output and ends the process with its
 * exit code, whatever is still open.
 *
 * `process.exit` joins the threads of libuv, and so waits for system calls that
 * may never return: a name look-up without a name server, a file on a dead file
 * server. Such a call gets a moment. Then the process executes another program,
 * which ends the threads, and exits with the code; where Node has no execve
 * (before 22.15, on Windows), only a signal is left.
 */
import { flushed } from './output.ts';

/** Node's names for calls in libuv's thread pool and for worker threads that did not end. */
const THREAD_CALLS = /^(FSReq|GetAddrInfo|GetNameInfo|MessagePort)/;

/** How often, and how many times, busy threads are checked: a second in all. */
const LOOK_EVERY_MS = 10;
const LOOKS = 100;

/** The longest wait for standard error. Standard output is waited for without limit, as by any program. */
const STDERR_FLUSH_MS = 1_000;

/** Flushes, then ends the process with this code; never resolves. */
export async function endProcess(code: number): Promise<never> {
  process.exitCode = code;
  await flushed(process.stdout);
  await flushed(process.stderr, STDERR_FLUSH_MS);
  leaveProcess(code);
  return await new Promise(() => {});
}

/** Ends the process without flushing: at once, or as soon as no system call is in the way. */
export function leaveProcess(code: number): void {
  const isBusy = () => process.getActiveResourcesInfo().some((name) => THREAD_CALLS.test(name));
  if (!isBusy()) process.exit(code);
  let looks = 0;
  setInterval(() => {
    looks += 1;
    if (!isBusy()) process.exit(code);
    if (looks === LOOKS) abandonThreads(code);
  }, LOOK_EVERY_MS);
}

function abandonThreads(code: number): void {
  const { execve } = process as { execve?: (file: string, args: string[], env: object) => void };
  // Every container has Node, not every one a shell. The empty environment drops NODE_OPTIONS.
  if (execve !== undefined && process.platform !== 'win32') {
    execve(process.execPath, [process.execPath, '-e', `process.exit(${code})`], {});
  }
  process.kill(process.pid, 'SIGKILL');
}
