/**
 * strace on a running process: what it calls, and faults put into its calls.
 * Attached to one thread, so that `when=` counts the calls of that thread alone.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanUpAfter } from '../clean-up.ts';
import { scratchDirectory } from '../scratch.ts';
import { within } from '../until.ts';

/** A call as strace shows it. */
export interface TracedCall {
  readonly thread: number;
  /** As the kernel names it, such as `openat`. */
  readonly call: string;
  /** The last component of each path in it, ids of uploads as `*`. */
  readonly target: string;
  /** Which call of this name of its thread it is, from 1 on: what `when=` counts. */
  readonly when: number;
  readonly wasTampered: boolean;
}

/** The calls that change files, and those that tell which thread is which. Those that this machine does not have are left out by their `?`. */
const FILE_CALLS = `openat close pwrite64 preadv pread64 fdatasync fsync ftruncate mkdir mkdirat
  rename renameat renameat2 link linkat unlink unlinkat`.split(/\s+/);

/** Why no test can trace here; false when it can. */
export function cannotTrace(): string | false {
  if (process.platform !== 'linux') return 'only Linux has strace';
  if (spawnSync('strace', ['-V']).status !== 0) return 'this machine has no strace command';
  // As the tests do it: a stranger to the traced process, not its parent.
  // It says when it has attached, or ends; then the traced process is ended.
  const script =
    'sleep 60 & victim=$!; strace -o /dev/null -p $victim 2>&1 | { grep -m 1 attached; kill $victim; }';
  return spawnSync('sh', ['-c', script]).stdout.includes('attached')
    ? false
    : 'this process may not trace others';
}

export class Strace {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #logPath: string;

  private constructor(child: ChildProcess, logPath: string) {
    this.#child = child;
    this.#ended = once(child, 'exit');
    this.#logPath = logPath;
  }

  /** Traces the whole process `pid`. Resolves when it does. */
  static record(t: TestContext, pid: number): Promise<Strace> {
    return Strace.#start(t, ['-f', '-p', String(pid)]);
  }

  /** Puts a fault (`error=EIO:when=3`) into the `call`s of one thread. */
  static inject(t: TestContext, thread: number, call: string, fault: string): Promise<Strace> {
    return Strace.#start(t, ['-e', `inject=${call}:${fault}`, '-p', String(thread)]);
  }

  static async #start(t: TestContext, args: readonly string[]): Promise<Strace> {
    const logPath = join(scratchDirectory(t), 'strace.log');
    const filter = FILE_CALLS.map((call) => `?${call}`).join(',');
    const child = spawn('strace', ['-y', '-s', '0', '-o', logPath, '-e', `trace=${filter}`, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    cleanUpAfter(t, () => child.kill('SIGKILL'));
    const strace = new Strace(child, logPath);
    await within('strace attaches', attached(child));
    return strace;
  }

  /** Lets the process go on alone; what was recorded until now. */
  async detach(): Promise<TracedCall[]> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGINT');
    await within('strace ends', this.#ended);
    return parseLog(readFileSync(this.#logPath, 'utf8'));
  }
}

function attached(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (/ attached/.test(said)) resolve();
    });
    child.once('exit', () => reject(new Error(`strace ended: ${said}`)));
  });
}

/** With `-p` of one thread the lines have no thread. */
const LINE = /^(?:(\d+) +)?(\w+)\((.*)$/;

function parseLog(log: string): TracedCall[] {
  const counts = new Map<string, number>();
  const calls: TracedCall[] = [];
  for (const line of log.split('\n')) {
    const [, thread = '0', call, rest = ''] = LINE.exec(line) ?? [];
    if (call === undefined) continue;
    const when = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, when);
    const wasTampered = rest.includes('(INJECTED)') || rest.endsWith('= ?');
    calls.push({ thread: Number(thread), call, target: targetOf(rest), when, wasTampered });
  }
  return calls;
}

/** Paths stand in quotes, those of descriptors in angle brackets. */
function targetOf(rest: string): string {
  const paths = Array.from(
    rest.matchAll(/"([^"]*)"|\d+<([^>]*)>/g),
    ([, path, fdPath]) => path ?? fdPath ?? '',
  );
  const named = paths.filter((path) => path !== '');
  return named.map((path) => path.slice(path.lastIndexOf('/') + 1).replace(/^[0-9a-f]{32}/, '*')).join(' → ');
}
