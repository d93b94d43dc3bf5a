/**
 * The seam between an upload and the source of its bytes: bytes by offset, in
 * any order where the source is seekable, else in order and until released.
 */

/** Bytes read; `end`: there are none at this offset and never will be; `idle`: none for now. */
export type ReadOutcome = number | 'end' | 'idle';

export interface OpenSource {
  /** Bytes; undefined for a stream that has not ended. */
  readonly size: number | undefined;
  /** Any byte can be read again, and ranges at the same time. */
  readonly isSeekable: boolean;
  /** Half of the memory for kept bytes is used: `release` should come before the source has to wait. */
  readonly isPressed: boolean;
  /** Called when `isPressed` becomes true. */
  onPressed: (() => void) | undefined;
  /** What a later process recognises the content by; undefined where it cannot be resumed. */
  readonly identity: SourceIdentity | undefined;

  /**
   * Fills `target` from `offset` on, with less where the source hesitates or
   * ends. Rejects with LOCAL_IO when the source fails and FILE_CHANGED when it
   * is not what was opened.
   */
  read(target: Uint8Array, offset: number): Promise<ReadOutcome>;
  /** Resolves when `read` at this offset has something to tell, or rejects as it would. */
  readable(offset: number, signal: AbortSignal): Promise<void>;
  /** The bytes before `offset` are durable on the server and need not be kept. */
  release(offset: number): void;
  /** There is nothing from `offset` on, and nothing comes before some of what is kept is released. */
  isFullAt(offset: number): boolean;
  /** The bytes before this offset are gone. */
  readonly releasedBytes: number;
  /** Throws FILE_CHANGED when the source is not what was opened. */
  checkUnchanged(): Promise<void>;
  /** Pins the content as it is now, after it changed; false where that is impossible. */
  reopen(): Promise<boolean>;
  /** Closes the source; with an error the upload failed. Never rejects; safe to call twice. */
  close(error?: Error): Promise<void>;
}

/** A file's content at one moment. Numbers as text, because they have more than 53 bits. */
export interface SourceIdentity {
  readonly path: string;
  readonly ino: string;
  /** Bytes. */
  readonly size: number;
  readonly mtimeNs: string;
  readonly ctimeNs: string;
}
