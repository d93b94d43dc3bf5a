/**
 * One sync of a whole file system. Node has no syncfs(2); coreutils and busybox
 * have it as `sync -f`. It is worth a process, and other people's dirty pages,
 * where it takes the place of many fsyncs.
 *
 * A shell starts the processes, and lives while syncs follow each other: to fork
 * a server with all its memory stops the event loop for ten milliseconds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { release } from 'node:os';
import { errnoOf } from '../../../../base/errors.ts';

/** The first whose syncfs(2) says that pages could not be written. */
const REPORTING_KERNEL = [5, 8] as const;

/** For each line with a path, a line with 0 where all is durable. It ends with its standard input, so with its server. */
const SCRIPT = 'while read -r path; do sync -f "$path" && echo 0 || echo 1; done';

/** How long the shell waits for the next sync. */
const IDLE_TIMEOUT_MS = 5_000;

interface Request {
  readonly path: string;
  resolve(): void;
  reject(reason: unknown): void;
}

export class FileSystemSyncer {
  /** The first one is being answered. */
  readonly #requests: Request[] = [];
  #shell: ChildProcess | null = null;
  #idle: NodeJS.Timeout | undefined;

  /**
   * Makes everything durable that was written to the file system of the directory `path`. Throws system
   * errors: ENOSYS where that cannot be had, EIO where it failed.
   */
  async sync(path: string): Promise<void> {
    if (process.platform !== 'linux' || !reportsErrors(release())) throw systemError('ENOSYS');
    clearTimeout(this.#idle);
    const settled = new Promise<void>((resolve, reject) => this.#requests.push({ path, resolve, reject }));
    if (this.#requests.length === 1) this.#ask();
    await settled;
  }

  #ask(): void {
    const [request] = this.#requests;
    if (request === undefined) {
      this.#rest();
      return;
    }
    this.#shell ??= this.#start();
    this.#shell.ref();
    // To another process, what is this one's own has its number.
    this.#shell.stdin?.write(`${request.path.replace('/proc/self/', `/proc/${process.pid}/`)}\n`);
  }

  #start(): ChildProcess {
    // In a group of its own: a Ctrl-C in the terminal of a server must not make its last writes fail.
    const shell = spawn('sh', ['-c', SCRIPT], {
      cwd: '/',
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    const failed = (reason: Error) => {
      if (this.#shell !== shell) return;
      this.#shell = null;
      this.#settle(reason);
    };
    shell.stdin.on('error', () => failed(systemError('EIO')));
    shell.stdout.on('data', (line: Buffer) => {
      if (this.#shell === shell) this.#settle(line[0] === ZERO ? null : systemError('EIO'));
    });
    shell.on('error', (reason) => failed(errnoOf(reason) === 'ENOENT' ? systemError('ENOSYS') : reason));
    shell.on('exit', () => failed(systemError('EIO')));
    for (const stream of [shell.stdin, shell.stdout]) (stream as unknown as { unref(): void }).unref();
    return shell;
  }

  /** The first request has ended. */
  #settle(failure: Error | null): void {
    const request = this.#requests.shift();
    if (failure === null) request?.resolve();
    else request?.reject(failure);
    this.#ask();
  }

  /** The shell keeps no process alive, and ends when nothing follows. */
  #rest(): void {
    this.#shell?.unref();
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), IDLE_TIMEOUT_MS).unref();
  }

  /** Ends the shell, if none waits for it. */
  close(): void {
    const shell = this.#shell;
    if (this.#requests.length > 0 || shell === null) return;
    this.#shell = null;
    shell.stdin?.end();
  }
}

const ZERO = '0'.charCodeAt(0);

function reportsErrors(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [firstMajor, firstMinor] = REPORTING_KERNEL;
  return major > firstMajor || (major === firstMajor && minor >= firstMinor);
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: sync -f`), { code });
}
