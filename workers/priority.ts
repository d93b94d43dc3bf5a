import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

/**
 * Makes this thread yield to the event loop. Linux gives each thread its own
 * nice value and shows the thread's id in /proc/thread-self, so this needs no
 * native code; elsewhere, and for 0, nothing happens.
 */
export function lowerPriority(niceness: number): void {
  if (niceness === 0 || process.platform !== 'linux') return;
  try {
    const id = Number(readlinkSync('/proc/thread-self').split('/').pop());
    setPriority(id, niceness);
  } catch {
    // Without /proc the threads keep their priority: slower under load, never wrong.
  }
}
