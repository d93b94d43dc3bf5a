/** Which content a download is pinned to; shared by all its positions, whichever call or server they are about. */
import { TransferError } from '../../base/errors.ts';
import type { FileInfo } from '../../wire/messages.ts';
import { onCancelled } from '../connection/cancellation.ts';
import { checkReceivedFile } from '../wire-size.ts';

export class PinnedContent {
  /** Undefined before the first answer. */
  file: FileInfo | undefined;
  /** Ask for this version; empty for any. */
  ifMatch: string;
  /** The server sends no details: only lengths can be checked. */
  isPlain = false;
  #waiting: (() => void)[] = [];
  /** By what an earlier run left; undefined without that. */
  #recordedSize: number | undefined;

  constructor(ifMatch: string) {
    this.ifMatch = ifMatch;
  }

  /** What an earlier run was pinned to. */
  resume(version: string, sizeBytes: number): void {
    this.ifMatch = version;
    this.#recordedSize = sizeBytes;
  }

  /**
   * Pins to the file that the server named, or compares the file with the pin.
   * Throws VERSION_MISMATCH, FILE_CHANGED, OUT_OF_RANGE or PROTOCOL_ERROR.
   *
   * @param isPlain the size is all that is known
   * @param offset where the call begins
   */
  pin(file: FileInfo, isPlain: boolean, offset: number): void {
    checkReceivedFile(file);
    if (this.ifMatch !== '' && file.version !== this.ifMatch) {
      throw new TransferError(
        'VERSION_MISMATCH',
        `${file.name} has version ${JSON.stringify(file.version)}, not ${JSON.stringify(this.ifMatch)}`,
        { version: file.version },
      );
    }
    const size = this.file?.size ?? this.#recordedSize ?? file.size;
    if (size !== file.size) {
      const isChange = isPlain || this.file === undefined;
      throw new TransferError(
        isChange ? 'FILE_CHANGED' : 'PROTOCOL_ERROR',
        `${file.name} had ${size} bytes and now has ${file.size}`,
        { version: file.version },
      );
    }
    if (offset > file.size) {
      throw new TransferError('OUT_OF_RANGE', `${file.name} has ${file.size} bytes, less than ${offset}`);
    }
    this.file = file;
    this.isPlain = isPlain;
    this.ifMatch = file.version;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves with the first answer; rejects when `signal` is aborted. */
  async pinned(signal: AbortSignal): Promise<void> {
    if (this.file !== undefined) return;
    await new Promise<void>((resolve, reject) => {
      const ignoreSignal = onCancelled(signal, reject);
      this.#waiting.push(() => {
        ignoreSignal();
        resolve();
      });
    });
  }

  /** To whatever there is now, from the next answer on. */
  restart(ifMatch: string): void {
    this.file = undefined;
    this.ifMatch = ifMatch;
    this.#recordedSize = undefined;
    this.#waiting = [];
  }
}
