/** Where the bytes of a range go. The engine's only view of the network. */
import type { PeerPace } from './peer-pace.ts';
import type { MeasuredLink } from './stream-coding.ts';

export interface Outlet extends MeasuredLink {
  /** What the peer is ready to take; undefined: everything, as fast as it drains what it is sent. */
  readonly credit?: Credit;
  /** The request of an Exchange that the messages answer; absent: they are those of a call by itself. */
  readonly exchangeId?: number;
  /** What the ranges of the same stream share; absent: this is the only one. */
  readonly pace?: PeerPace;
  /**
   * Sends whole messages, in order. At most one write of a range is outstanding. `done`
   * is called when the bytes are not needed any more; when the stream ends
   * before, it may never be. Until then the bytes must not change.
   */
  write(run: Uint8Array, done: () => void): void;
  /**
   * After a pipeline has ended: resolves when neither the kernel nor http2 can
   * touch the bytes of an unfinished write any more.
   */
  untouched(): Promise<void>;
}

/**
 * What a peer has granted, in bytes of the file before compression. A range
 * that has used it up holds no slab and has no place among the jobs.
 */
export interface Credit {
  /** In all, from the start of the range. Never less than before. */
  readonly grantedBytes: number;
  /** Calls `listener` after each further grant. */
  onGrant(listener: () => void): void;
}
