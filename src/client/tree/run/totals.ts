/** Adds up the files of a run. */
import type { Progress } from '../../download/options.ts';
import type { UploadProgress } from '../../upload/options.ts';

/** All files of a tree together, at one moment. */
export interface TreeProgress {
  /** Files found so far. */
  readonly foundFiles: number;
  /** Everything is found that there is. */
  readonly isPlanComplete: boolean;
  /** Files that moved or were there already. */
  readonly doneFiles: number;
  /** Bytes of all files; undefined until everything is found. */
  readonly sizeBytes: number | undefined;
  /** Received, or sent; those that were there already included. */
  readonly movedBytes: number;
  /** Uploads: what of `movedBytes` the server has made durable. */
  readonly durableBytes?: number;
  /** What of `movedBytes` was there already, of whole files or from an earlier run. */
  readonly resumedBytes: number;
}

export class Totals {
  readonly #isPlanComplete: () => boolean;
  readonly #active = new Map<object, Progress | UploadProgress>();
  readonly #isUpload: boolean;
  #foundFiles = 0;
  /** Undefined as soon as one file is to tell its size itself. */
  #foundBytes: number | undefined = 0;
  #doneFiles = 0;
  #doneBytes = 0;
  #doneResumedBytes = 0;

  /** `isPlanComplete`: no more files will be found. */
  constructor(direction: 'down' | 'up', isPlanComplete: () => boolean) {
    this.#isUpload = direction === 'up';
    this.#isPlanComplete = isPlanComplete;
  }

  /** There is one more file to move. */
  found(bytes: number | undefined): void {
    this.#foundFiles += 1;
    if (bytes === undefined || this.#foundBytes === undefined) this.#foundBytes = undefined;
    else this.#foundBytes += bytes;
  }

  /** `file` is any object that stands for one transfer. */
  update(file: object, progress: Progress | UploadProgress): void {
    this.#active.set(file, progress);
  }

  /** The transfer ended well; its bytes count as done. */
  done(file: object, bytes: number, resumedBytes: number): void {
    this.#active.delete(file);
    this.#doneFiles += 1;
    this.#doneBytes += bytes;
    this.#doneResumedBytes += resumedBytes;
  }

  /** The transfer failed; its bytes do not count. */
  dropped(file: object): void {
    this.#active.delete(file);
  }

  get now(): TreeProgress {
    let movedBytes = this.#doneBytes;
    let durableBytes = this.#doneBytes;
    let resumedBytes = this.#doneResumedBytes;
    for (const progress of this.#active.values()) {
      movedBytes += movedBytesOf(progress);
      durableBytes += 'durableBytes' in progress ? progress.durableBytes : 0;
      resumedBytes += progress.resumedBytes;
    }
    const isPlanComplete = this.#isPlanComplete();
    return {
      foundFiles: this.#foundFiles,
      isPlanComplete,
      doneFiles: this.#doneFiles,
      sizeBytes: isPlanComplete ? this.#foundBytes : undefined,
      movedBytes,
      ...(this.#isUpload ? { durableBytes } : {}),
      resumedBytes,
    };
  }
}

function movedBytesOf(progress: Progress | UploadProgress): number {
  return 'sentBytes' in progress ? progress.sentBytes : progress.receivedBytes;
}
