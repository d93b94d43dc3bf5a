/**
 * Waiting for something that can only be looked at. Bounded, so that a test fails with
 * what it waited for; on a busy machine the bounds grow by themselves, and
 * SLUICE_TEST_PATIENCE multiplies all of them.
 */
import { availableParallelism, loadavg } from 'node:os';

/** So many looks come one turn of the event loop after the other, the rest at this distance. */
const QUICK_LOOKS = 100;
const LOOK_EVERY_MS = 5;
const DEFAULT_LIMIT_MS = 30_000;

/** The most of a time between two looks that counts: a process that is given no time has not waited. */
const MAX_COUNTED_MS = 50;

const PATIENCE = Number(process.env.SLUICE_TEST_PATIENCE ?? 1);

// Taken before any test puts a clock of its own in their place.
const { setImmediate, setTimeout, performance } = globalThis;

/** Whole milliseconds, as Node wants its timeouts, times the patience that the machine and the environment ask for. */
export function patient(limitMs: number): number {
  return Math.ceil((limitMs * PATIENCE) / shareOfProcessor());
}

/** Resolves once `condition` is true; rejects, naming `what` and the last `state`, when that takes too long. */
export async function until(
  what: string,
  condition: () => boolean,
  { limitMs = DEFAULT_LIMIT_MS, state = (): unknown => '' } = {},
): Promise<void> {
  let lookedAtMs = performance.now();
  for (let looks = 0, waitedMs = 0; !condition(); looks += 1) {
    if (waitedMs > patient(limitMs)) {
      throw new Error(
        `waited ${Math.round(waitedMs)} ms in vain until ${what}; at the end: ${JSON.stringify(state())}`,
      );
    }
    await new Promise((resolve) =>
      looks < QUICK_LOOKS ? setImmediate(resolve) : setTimeout(resolve, LOOK_EVERY_MS),
    );
    const nowMs = performance.now();
    waitedMs += Math.min(MAX_COUNTED_MS, nowMs - lookedAtMs);
    lookedAtMs = nowMs;
  }
}

/** The outcome of `work`, or a rejection that names `what` when it does not settle in time. */
export async function within<T>(what: string, work: Promise<T>, limitMs = DEFAULT_LIMIT_MS): Promise<T> {
  let isSettled = false;
  const settled = work.finally(() => {
    isSettled = true;
  });
  const late = until(what, () => isSettled, { limitMs }).then(() => work);
  return await Promise.race([settled, late]);
}

/** What each of those that want to run gets of a processor, as far as the last minute tells. */
function shareOfProcessor(): number {
  const [runnable = 0] = loadavg();
  return Math.min(1, availableParallelism() / Math.max(1, runnable));
}
