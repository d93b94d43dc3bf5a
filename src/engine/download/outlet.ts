/** Where a transfer's bytes go. The engine's only view of the network. */

export interface Outlet {
  /**
   * Sends whole messages, in order. At most one write is outstanding. `done`
   * is called when the bytes are not needed any more; when the stream ends
   * before, it may never be. Until then the bytes must not change.
   */
  write(run: Uint8Array, done: () => void): void;
  /**
   * After a transfer has ended: resolves when neither the kernel nor http2 can
   * touch the bytes of an unfinished write any more.
   */
  untouched(): Promise<void>;
  /**
   * Calls `echoed` once the peer's end of the connection has received all that
   * was written until now, and returns true; false when that cannot be asked
   * now. After the end of the stream it may never be called.
   */
  pingBarrier?(echoed: () => void): boolean;
}
