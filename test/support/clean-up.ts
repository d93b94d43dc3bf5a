/** Processes, mounts and the like are gone with their test, however it ends. */

const pending = new Set<() => void>();

/**
 * Runs `cleanUp` once: when what is returned is called, after the test, or when this process is ended
 * before, as the test runner does with a test that hangs.
 */
export function cleanUpAfter(t: { after(hook: () => void): void }, cleanUp: () => void): () => void {
  watch();
  const once = () => {
    if (pending.delete(once)) cleanUp();
  };
  pending.add(once);
  t.after(once);
  return once;
}

let isWatching = false;

function watch(): void {
  if (isWatching) return;
  isWatching = true;
  process.once('exit', () => {
    for (const cleanUp of pending) cleanUp();
  });
  // A signal alone would end the process without its `exit` event.
  process.once('SIGTERM', () => process.exit(143));
}
