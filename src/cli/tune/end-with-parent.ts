/**
 * Loaded before the program of a child of `sluice tune`: however the parent
 * ends, kill -9 included, the child ends too.
 */
import { isMainThread } from 'node:worker_threads';

// Threads of the child load this module too, and have no channel to the parent.
if (isMainThread) {
  // A parent that was killed during the start sends no more events.
  if (!process.connected) process.exit();
  process.once('disconnect', () => process.exit());
  // Listening must not keep the program alive.
  process.channel?.unref();
}
