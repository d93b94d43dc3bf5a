import { setImmediate } from 'node:timers/promises';
import { patient } from '../support/until.ts';

const GIVE_UP_MS = 30_000;

/** The most of a turn that counts: a process that is given no time has not waited. */
const MOST_COUNTED_MS = 50;

/** Lets the event loop turn until `condition` holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  let lookedAtMs = performance.now();
  for (let waitedMs = 0; !condition(); ) {
    if (waitedMs > patient(GIVE_UP_MS)) throw new Error(`it never came to this: ${what}`);
    await setImmediate();
    const nowMs = performance.now();
    waitedMs += Math.min(MOST_COUNTED_MS, nowMs - lookedAtMs);
    lookedAtMs = nowMs;
  }
}
