/** Packs of small files, as a run of a tree makes and moves them. */
import type { DownloadResult, Progress } from '../../download/options.ts';
import type { PackLimits } from '../../exchange/requests/limits.ts';
import type { UploadProgress } from '../../upload/options.ts';
import type { FileJob } from '../plan/plan.ts';
import type { PackedFile, PackOutcome } from '../small-file.ts';
import type { Direction } from './run.ts';

/** Moves many files in one request. */
export interface PackMover<Job extends FileJob> {
  /** Checksums are compared, not only sizes. */
  readonly verifies: boolean;
  /** Packs that are on their way at the same time. */
  readonly inFlight: number;
  /** Whether the file may be one of a pack. */
  takes(job: Job): boolean;
  /** The most that one pack may have. Throws UNIMPLEMENTED where the server has no packs. */
  limits(): Promise<PackLimits>;
  /** Moves files, and calls `done` for each. Throws what concerns all that are left. */
  move(jobs: readonly Job[], done: (job: Job, outcome: PackOutcome) => void): Promise<void>;
  close(): Promise<void>;
}

/** Of a server that has none. */
export const NO_PACKS: PackLimits = { maxFiles: 0, maxBytes: 0 };

/** The small files that go into the next pack. */
export class PackBuilder<Job> {
  readonly #limits: PackLimits;
  #jobs: Job[] = [];
  #bytes = 0;

  constructor(limits: PackLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#jobs.length;
  }

  fits(bytes: number): boolean {
    const { maxBytes, maxFiles } = this.#limits;
    return this.#jobs.length < maxFiles && this.#bytes + bytes <= maxBytes;
  }

  add(job: Job, bytes: number): void {
    this.#jobs.push(job);
    this.#bytes += bytes;
  }

  take(): readonly Job[] {
    const jobs = this.#jobs;
    this.#jobs = [];
    this.#bytes = 0;
    return jobs;
  }
}

/** A file of a pack, as a transfer of its own would tell of it. */
export function packedResult(
  bytes: number,
  { codecs, version }: PackedFile,
  verified: boolean,
  durationMs: number,
): DownloadResult {
  return {
    bytes,
    resumedBytes: 0,
    version,
    crc32: undefined,
    verified,
    attempts: 1,
    restarts: 0,
    durationMs,
    ...codecs,
  };
}

/** How far a file of a pack is that has just been moved. */
export function packedProgress(direction: Direction, name: string, bytes: number): Progress | UploadProgress {
  const common = { name, sizeBytes: bytes, resumedBytes: 0, attempt: 1, restarts: 0 };
  return direction === 'down'
    ? { ...common, phase: 'receiving', receivedBytes: bytes }
    : { ...common, phase: 'sending', sentBytes: bytes, durableBytes: bytes };
}
