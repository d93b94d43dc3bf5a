/** Blocks the event loop, as a long computation does, or a machine that gives the process no time. */
export function blockFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
