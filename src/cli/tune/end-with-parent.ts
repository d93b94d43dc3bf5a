/**
 * Loaded before the program of a child of `sluice tune`: however the parent
 * ends, kill -9 included, the child ends too.
 */
import { isMainThread } from 'node:worker_threads';

// Threads of the child load this module as well, and have no channel to the parent.
if (isMainThread) {
  // A parent that was killed while the child started is gone already, and will not be told again.
  if (!process.connected) process.exit();
  process.once('disconnect', () => process.exit());
  // Listening must not keep a program alive that has come to its end.
  process.channel?.unref();
}
