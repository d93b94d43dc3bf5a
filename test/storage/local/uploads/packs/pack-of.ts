/** Packs for a store of uploads, whose threads are this one: the work of the workers, with any system calls. */
import { setImmediate as turn } from 'node:timers/promises';
import { TransferError } from '../../../../../src/base/errors.ts';
import type { FileToName, NewFile, PackJobs } from '../../../../../src/storage/pack-jobs.ts';
import type { PackFile, UploadStore, WriteOutcome } from '../../../../../src/storage/upload-store.ts';
import {
  lookAt,
  nameFiles,
  nodeSystemCalls,
  type SystemCalls,
  writeFiles,
} from '../../../../../workers/pack-files.ts';

export class JobsHere implements PackJobs {
  readonly size: number;
  readonly #content: Uint8Array;
  readonly #calls: SystemCalls;

  constructor(content: Uint8Array, calls: SystemCalls = nodeSystemCalls) {
    this.#content = content;
    this.#calls = calls;
    this.size = content.length;
  }

  async look(paths: readonly string[]) {
    await turn();
    return lookAt(paths, this.#calls, noCheckpoint);
  }

  async write(files: readonly NewFile[]) {
    await turn();
    return writeFiles(this.#content, files, false, this.#calls, noCheckpoint);
  }

  async name(files: readonly FileToName[]) {
    await turn();
    return nameFiles(files, this.#calls, noCheckpoint);
  }

  async read() {
    return this.#content;
  }
}

function noCheckpoint(): void {}

/** What a file of a pack is besides its content. */
export type Wish = Partial<Omit<PackFile, 'name' | 'size'>>;

export interface PackOptions {
  readonly wishes?: Readonly<Record<string, Wish>>;
  readonly condition?: PackFile['condition'];
  readonly owner?: string;
  readonly calls?: SystemCalls;
  /** Instead of this thread. */
  readonly jobs?: PackJobs;
}

/** Writes `files`, by name, as one pack. */
export async function writePack(
  uploads: UploadStore,
  files: Readonly<Record<string, string>>,
  { calls, condition = { kind: 'absent' }, jobs, owner, wishes = {} }: PackOptions = {},
): Promise<WriteOutcome[]> {
  const contents = Object.values(files).map((content) => Buffer.from(content));
  const specs = Object.keys(files).map((name, index) => ({
    name,
    size: (contents[index] as Buffer).length,
    condition,
    ...wishes[name],
  }));
  return await uploads.writePack(specs, jobs ?? new JobsHere(Buffer.concat(contents), calls), owner);
}

/** 'ok', or the code of the error, for each. */
export function codesOf(outcomes: readonly WriteOutcome[]): string[] {
  return outcomes.map((outcome) => (outcome instanceof TransferError ? outcome.code : 'ok'));
}
