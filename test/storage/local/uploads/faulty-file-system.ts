/**
 * A file system whose calls fail when a test says so: with an errno, or as a
 * crash of the process would look from inside, where nothing happens any more.
 * The descriptors of a crashed process are closed, as the kernel closes them.
 */
import { closeSync } from 'node:fs';
import { type FileSystem, nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import { nodeSystemCalls, type SystemCalls } from '../../../../workers/pack-files.ts';

export type Call = keyof FileSystem | keyof SystemCalls;

/** What becomes of one call. A crash may come before the call has an effect, or after. */
export type Fault =
  | { readonly kind: 'errno'; readonly errno: string }
  | { readonly kind: 'crash'; readonly when: 'before' | 'after' };

export interface CallRecord {
  readonly call: Call;
  readonly target: string;
}

export class FaultyFileSystem {
  /** All calls, in order. */
  readonly calls: CallRecord[] = [];
  readonly fileSystem: FileSystem;
  /** The same for threads. */
  readonly systemCalls: SystemCalls;
  readonly #fault: (index: number, call: Call, target: string) => Fault | undefined;
  readonly #descriptors = new Set<number>();
  #isCrashed = false;

  constructor(
    fault: (index: number, call: Call, target: string) => Fault | undefined,
    inner: FileSystem = nodeFileSystem,
    innerCalls: SystemCalls = nodeSystemCalls,
  ) {
    this.#fault = fault;
    const wrapped = Object.entries(inner).map(([call, work]) => [
      call,
      (...args: unknown[]) => this.#run(call as Call, args, work as Work<Promise<unknown>>),
    ]);
    this.fileSystem = Object.fromEntries(wrapped) as FileSystem;
    const wrappedCalls = Object.entries(innerCalls).map(([call, work]) => [
      call,
      (...args: unknown[]) => this.#runHere(call as Call, args, work as Work<unknown>),
    ]);
    this.systemCalls = Object.fromEntries(wrappedCalls) as SystemCalls;
  }

  get isCrashed(): boolean {
    return this.#isCrashed;
  }

  /** Ends the process, as far as its files are concerned. */
  crash(): void {
    this.#isCrashed = true;
    for (const fd of this.#descriptors) closeSync(fd);
    this.#descriptors.clear();
  }

  async #run(call: Call, args: unknown[], work: Work<Promise<unknown>>): Promise<unknown> {
    const fault = this.#begin(call, args);
    return this.#end(call, fault, await work(...args));
  }

  #runHere(call: Call, args: unknown[], work: Work<unknown>): unknown {
    const fault = this.#begin(call, args);
    return this.#end(call, fault, work(...args));
  }

  #begin(call: Call, args: unknown[]): Fault | undefined {
    if (this.#isCrashed) throw new CrashError();
    const target = targetOf(args);
    const fault = this.#fault(this.calls.length, call, target);
    this.calls.push({ call, target });
    if (fault?.kind === 'crash' && fault.when === 'before') this.crash();
    if (this.#isCrashed) throw new CrashError();
    // A descriptor is closed whatever close(2) says.
    if (fault?.kind === 'errno' && call !== 'close') throw systemError(fault.errno, call);
    if (call === 'close') this.#descriptors.delete(args[0] as number);
    return fault;
  }

  #end(call: Call, fault: Fault | undefined, result: unknown): unknown {
    if (call === 'open' && this.#isCrashed) closeSync(result as number);
    else if (call === 'open') this.#descriptors.add(result as number);
    if (fault?.kind === 'crash') this.crash();
    if (this.#isCrashed) throw new CrashError();
    if (fault?.kind === 'errno') throw systemError(fault.errno, call);
    return result;
  }
}

type Work<Result> = (...args: unknown[]) => Result;

/** For tests without power cuts: the syncs of a disk are slow. */
export const SYNCLESS_FILE_SYSTEM: FileSystem = {
  ...nodeFileSystem,
  fdatasync: async () => undefined,
  fsync: async () => undefined,
  syncFileSystem: async () => undefined,
};

/** The places in `calls` of each kind of call, on each kind of name: the first `most` of them. */
export function kindsOf(calls: readonly CallRecord[], most: number): number[] {
  const times = new Map<string, number>();
  return [...calls.keys()].filter((at) => {
    const { call, target } = calls[at] as CallRecord;
    const kind = `${call} ${target.replaceAll(/\d+/g, '#')}`;
    times.set(kind, (times.get(kind) ?? 0) + 1);
    return (times.get(kind) as number) <= most;
  });
}

/** What all calls of a process end with that is no more. */
class CrashError extends Error {
  readonly code = 'EIO';

  constructor() {
    super('the process has crashed');
  }
}

/** The last component of the first path, without the id of an upload or a pack. */
function targetOf(args: unknown[]): string {
  const paths = args.filter((arg) => typeof arg === 'string');
  return paths.map((path) => path.slice(path.lastIndexOf('/') + 1).replace(/^[0-9a-f]{32}/, '*')).join(' → ');
}

function systemError(errno: string, call: Call): Error {
  return Object.assign(new Error(`${errno}: injected into ${call}`), { code: errno });
}
