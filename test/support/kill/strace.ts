/**
 * strace on a running process: what it calls, and faults put into its calls.
 * Attached to one thread, so that `when=` counts the calls of that thread alone.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Child } from '../../../src/cli/process/child.ts';
import { scratchDirectory } from '../scratch.ts';
import { startChild } from '../start-child.ts';
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
  readonly #child: Child;
  readonly #logPath: string;

  private constructor(child: Child, logPath: string) {
    this.#child = child;
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
    const traced = ['-y', '-s', '0', '-o', logPath, '-e', `trace=${filter}`, ...args];
    const child = startChild(t, 'strace', traced, { stdio: ['ignore', 'ignore', 'pipe'] });
    await within('strace attaches', child.says(/ attached/));
    return new Strace(child, logPath);
  }

  /** Lets the process go on alone; what was recorded until now. */
  async detach(): Promise<TracedCall[]> {
    await within('strace ends', this.#child.end('SIGINT'));
    return parseLog(readFileSync(this.#logPath, 'utf8'));
  }
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
