import { setImmediate } from 'node:timers/promises';

const GIVE_UP_MS = 30_000;

/** Lets the event loop turn until `condition` holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const giveUpAtMs = performance.now() + GIVE_UP_MS;
  while (!condition()) {
    if (performance.now() > giveUpAtMs) throw new Error(`it never came to this: ${what}`);
    await setImmediate();
  }
}
