/**
 * A path as the target: bytes gather in a partial file beside it, durable points are
 * recorded on the way, and the partial file gets the target's name when it is whole,
 * checked and durable. Killed at any moment, it leaves nothing, a partial file that can
 * be resumed, or the finished file; never wrong bytes under the final name.
 */
import { constants, type Stats } from 'node:fs';
import { chmod, type FileHandle, open, rm, stat } from 'node:fs/promises';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import type { FileLock } from '../../../base/files/file-lock.ts';
import { fileTimeOf } from '../../../base/files/file-time.ts';
import { keepRights } from '../../../base/files/keep-rights.ts';
import type { Logger } from '../../../base/logger.ts';
import type { FileInfo } from '../../../wire/messages.ts';
import { localError } from '../../local-error.ts';
import type { TransferRequest } from '../options.ts';
import type { DownloadReporter } from '../progress.ts';
import type { DownloadRanges } from '../ranges.ts';
import type { RangedSink, Section, SinkListener } from '../sinks/sink.ts';
import { lockPartialFile } from './lock.ts';
import { provenRecord } from './proven-ranges.ts';
import { publish } from './publish.ts';
import { ResumePoints } from './resume-points.ts';
import { type ResumeRecord, removeResumeRecord } from './resume-record.ts';
import { PartialFileSection, type SectionOwner } from './section.ts';
import type { TargetPaths } from './target-path.ts';
import { PartialFileWriter, type WriterListener } from './writer.ts';
import { WrittenRanges, type WrittenRun } from './written-ranges.ts';

export interface PartialFileOpening {
  /** Learns what an earlier run has left. */
  readonly ranges: DownloadRanges;
  readonly progress: DownloadReporter;
  readonly logger: Logger;
  readonly overwrite: boolean;
  /** The file gets the mode it has on the server. */
  readonly keepMode: boolean;
  readonly signal: AbortSignal | undefined;
}

const OWNER_ONLY = 0o600;

/** No symbolic links, because the name of the partial file can be guessed. */
const OPEN_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** Locks and opens the partial file, keeping verified bytes of an earlier run. Throws LOCAL_IO or CANCELLED. */
export async function openPartialFile(paths: TargetPaths, opening: PartialFileOpening): Promise<PartialFile> {
  const { progress, ranges } = opening;
  let lock: FileLock | undefined;
  let handle: FileHandle | undefined;
  try {
    lock = await lockPartialFile(paths.lock, opening.logger);
    handle = await openAlone(paths.partial, modeFor(await replacedBy(paths)));
    const record = await provenRecord(handle, paths.record, { ...opening, request: ranges.request });
    if (record === undefined) await removeResumeRecord(paths.record);
    const written = new WrittenRanges(record?.ranges ?? []);
    // Bytes behind the recorded ones were never verified; those between them are written over.
    await handle.truncate(written.end);
    if (record !== undefined) resume(ranges, record);
    progress.resumedBytes = written.bytes;
    return new PartialFile(paths, handle, lock, opening, written);
  } catch (cause) {
    await handle?.close();
    await lock?.release();
    throw localError('cannot open', paths.partial, cause);
  }
}

/** Opens the partial file and makes sure that it has no other name. */
async function openAlone(path: string, mode: number): Promise<FileHandle> {
  const handle = await open(path, OPEN_FLAGS, mode).catch(async (reason: unknown) => {
    if (errnoOf(reason) !== 'EACCES') throw reason;
    // Killed before it gave the file its name, a publisher may have given it rights that keep its owner out.
    await chmod(path, OWNER_ONLY);
    return await open(path, OPEN_FLAGS, mode);
  });
  if ((await handle.stat()).nlink <= 1) return handle;
  // A process killed between `link` and `unlink` leaves the finished file under this name too.
  await handle.close();
  await rm(path);
  return await open(path, OPEN_FLAGS | constants.O_EXCL, mode);
}

async function replacedBy({ target }: TargetPaths): Promise<Stats | undefined> {
  return await stat(target).catch((reason: unknown) => {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  });
}

/** The partial file is no more readable than the file that it replaces. */
function modeFor(replaced: Stats | undefined): number {
  return replaced === undefined ? 0o666 : (replaced.mode & 0o666) | 0o600;
}

function resume(ranges: DownloadRanges, record: ResumeRecord): void {
  const first = record.start;
  const there = record.ranges.map(({ start, end, crc32 }) => ({
    start: first + start,
    end: first + end,
    crc32,
  }));
  ranges.resume(record.version, record.sizeBytes, there);
}

export class PartialFile implements RangedSink, SectionOwner, WriterListener {
  readonly isRewindable = true;
  readonly needsCrc32 = true;
  listener: SinkListener | undefined;
  readonly #paths: TargetPaths;
  readonly #handle: FileHandle;
  readonly #lock: FileLock;
  readonly #overwrite: boolean;
  readonly #keepMode: boolean;
  readonly #logger: Logger;
  readonly #request: TransferRequest;
  readonly #writer: PartialFileWriter;
  readonly #written: WrittenRanges;
  readonly #points: ResumePoints;
  #file: FileInfo | undefined;
  #isPublished = false;
  #narrowed: Promise<void> | undefined;

  constructor(
    paths: TargetPaths,
    handle: FileHandle,
    lock: FileLock,
    opening: PartialFileOpening,
    written: WrittenRanges,
  ) {
    const { request } = opening.ranges;
    this.#paths = paths;
    this.#handle = handle;
    this.#lock = lock;
    this.#overwrite = opening.overwrite;
    this.#keepMode = opening.keepMode;
    this.#logger = opening.logger;
    this.#request = request;
    this.#writer = new PartialFileWriter(handle, paths.partial, this);
    this.#written = written;
    this.#points = new ResumePoints(handle, paths.record, request, written, (cause) =>
      this.onWriteFailed(localError('cannot make durable', paths.partial, cause)),
    );
  }

  get isFull(): boolean {
    return this.#writer.isFull;
  }

  begin(file: FileInfo): void {
    this.#file = file;
    this.#points.begin(file);
    const mode = this.#keptMode;
    // Nobody may read the part who may not read the file; where this cannot be done, `finish` says so.
    if (mode !== undefined) this.#narrowed = this.#handle.chmod((mode & 0o666) | OWNER_ONLY).catch(() => {});
  }

  section(offset: number): Section {
    const run = this.#written.open(offset - this.#request.start);
    return new PartialFileSection(run, this.#writer, this);
  }

  async takeBack(run: WrittenRun): Promise<void> {
    this.#written.drop(run);
    try {
      // What of it still waits is written before what comes in its place.
      await this.#points.renew();
    } catch (cause) {
      throw localError('cannot write', this.#paths.partial, cause);
    }
  }

  onDrained(): void {
    this.listener?.onDrained();
  }

  onWritten(): void {
    this.#points.note();
  }

  onWriteFailed(error: TransferError): void {
    this.listener?.onFailed(error);
  }

  async restart(): Promise<void> {
    try {
      await this.#writer.idle();
      this.#written.clear();
      await this.#points.renew();
      await this.#handle.truncate(0);
    } catch (cause) {
      throw localError('cannot write', this.#paths.partial, cause);
    }
  }

  async finish(bytes: number): Promise<void> {
    try {
      await this.#writer.idle();
      await this.#points.settle();
      await this.#checkBeforePublishing(bytes);
      await this.#setModifiedTime();
      await this.#setRights();
      await this.#handle.sync();
      await publish(this.#paths, this.#overwrite, this.#logger);
      this.#isPublished = true;
      await removeResumeRecord(this.#paths.record);
    } catch (cause) {
      throw localError('cannot finish', this.#paths.partial, cause);
    }
    await this.#close();
  }

  async abandon(): Promise<void> {
    // The transfer already fails; these can only repeat the error.
    await this.#writer.idle().catch(() => {});
    await this.#points.settle();
    const isOurs = !this.#isPublished && (await this.#lock.isHeld().catch(() => false));
    if (isOurs) await this.#keepForResume();
    await this.#close();
  }

  async #keepForResume(): Promise<void> {
    if (this.#written.bytes === 0) {
      await rm(this.#paths.partial, { force: true }).catch(() => {});
      return;
    }
    // On a full disk, cutting off the incomplete chunk frees space for the record.
    await this.#handle.truncate(this.#written.end).catch(() => {});
    await this.#points.close();
  }

  async #checkBeforePublishing(bytes: number): Promise<void> {
    const { size } = await this.#handle.stat();
    const written = this.#written.all();
    if (size !== bytes || written.crc32Of(bytes) === undefined) {
      throw new TransferError(
        'LOCAL_IO',
        `${this.#paths.partial} has ${size} bytes, ${written.bytes} of them written, and should have ${bytes}`,
      );
    }
    if (!(await this.#lock.isHeld())) {
      throw new TransferError(
        'LOCAL_IO',
        `${this.#paths.lock} was removed; another download may have written here`,
      );
    }
  }

  /** A whole file keeps its modification time, and its mode where `keepMode` is set; a range is a new file. */
  get #isWhole(): boolean {
    const { start, limit } = this.#request;
    return start === 0 && limit === undefined;
  }

  /** What the server says of the mode, where the file is to have that one. */
  get #keptMode(): number | undefined {
    return this.#keepMode && this.#isWhole ? this.#file?.mode : undefined;
  }

  async #setModifiedTime(): Promise<void> {
    const modifiedMs = new Date(this.#file?.modifiedMs ?? 0).getTime();
    // 0 means unknown; times beyond those of a Date are NaN.
    if (this.#isWhole && modifiedMs > 0)
      await this.#handle.utimes(fileTimeOf(Date.now()), fileTimeOf(modifiedMs));
  }

  async #setRights(): Promise<void> {
    await this.#narrowed;
    const own = await this.#handle.stat();
    const { uid, gid, mode } = (await replacedBy(this.#paths)) ?? own;
    await keepRights({ uid, gid, mode: this.#keptMode ?? mode }, own, this.#handle);
  }

  async #close(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await this.#lock.release().catch(() => {});
  }
}
