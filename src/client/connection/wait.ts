/** Waits that end early, with the signal's error, when the signal is aborted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cancelledBy } from './channel.ts';

export async function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (reason) {
    throw signal?.aborted ? cancelledBy(signal) : reason;
  }
}
