/** Waiting for something that can only be looked at. Bounded, so that a test fails with what it waited for. */

const LOOK_EVERY_MS = 5;
const DEFAULT_LIMIT_MS = 20_000;

/** Resolves once `condition` is true; rejects, naming `what` and the last `state`, when that takes too long. */
export async function until(
  what: string,
  condition: () => boolean,
  { limitMs = DEFAULT_LIMIT_MS, state = (): unknown => '' } = {},
): Promise<void> {
  const giveUpAtMs = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > giveUpAtMs) {
      throw new Error(`waited ${limitMs} ms in vain until ${what}; at the end: ${JSON.stringify(state())}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** The outcome of `work`, or a rejection that names `what` when it does not settle in time. */
export async function within<T>(what: string, work: Promise<T>, limitMs = DEFAULT_LIMIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not happen within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
