/** Waiting for something that can only be looked at. Bounded, so that a test fails with what it waited for. */

const LOOK_EVERY_MS = 5;
const DEFAULT_LIMIT_MS = 20_000;

/** The most of a time between two looks that counts: a process that is given no time has not waited. */
const MOST_COUNTED_MS = 50;
const TICKS = 100;

/** Resolves once `condition` is true; rejects, naming `what` and the last `state`, when that takes too long. */
export async function until(
  what: string,
  condition: () => boolean,
  { limitMs = DEFAULT_LIMIT_MS, state = (): unknown => '' } = {},
): Promise<void> {
  let lookedAtMs = performance.now();
  for (let waitedMs = 0; !condition(); ) {
    if (waitedMs > limitMs) {
      throw new Error(`waited ${limitMs} ms in vain until ${what}; at the end: ${JSON.stringify(state())}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    const nowMs = performance.now();
    waitedMs += Math.min(MOST_COUNTED_MS, nowMs - lookedAtMs);
    lookedAtMs = nowMs;
  }
}

/** The outcome of `work`, or a rejection that names `what` when it does not settle in time. */
export async function within<T>(what: string, work: Promise<T>, limitMs = DEFAULT_LIMIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let ticks = 0;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setInterval(() => {
      ticks += 1;
      if (ticks === TICKS) reject(new Error(`${what} did not happen within ${limitMs} ms`));
    }, limitMs / TICKS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearInterval(timer);
  }
}
