/** The last fifteen minutes, as one point for each five seconds. */
import type { Counters } from '../base/counters/counters.ts';
import type { HistoryPoint } from '../wire/admin-messages.ts';
import type { LoopDelay } from './loop-delay.ts';
import { emptyTally, perSecond, type Tally, tallyOf } from './tally.ts';

export const HISTORY_INTERVAL_MS = 5_000;

const HISTORY_POINTS = 180;

export class History {
  readonly #counters: Counters;
  readonly #loopDelay: LoopDelay;
  #timer: NodeJS.Timeout | undefined;
  /** Oldest first. */
  readonly #points: HistoryPoint[] = [];
  #last: Tally;

  constructor(counters: Counters, loopDelay: LoopDelay) {
    this.#counters = counters;
    this.#loopDelay = loopDelay;
    this.#last = emptyTally(performance.now());
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), HISTORY_INTERVAL_MS).unref();
  }

  /** Those behind `timeMs`, oldest first. */
  since(timeMs: number): HistoryPoint[] {
    return this.#points.filter((point) => point.timeMs > timeMs);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (this.#points.length >= HISTORY_POINTS) this.#points.shift();
    this.#points.push(this.#point());
  }

  #point(): HistoryPoint {
    const { connections, slabs, threads, transfers } = this.#counters;
    const now = tallyOf(this.#counters, performance.now());
    const last = this.#last;
    this.#last = now;
    const { p50Ms, p99Ms } = this.#loopDelay.take();
    return {
      timeMs: Date.now(),
      sentWireBytesPerSec: perSecond(last, now, 'sentWireBytes'),
      receivedWireBytesPerSec: perSecond(last, now, 'receivedWireBytes'),
      callsPerSec: perSecond(last, now, 'calls'),
      errorsPerSec: perSecond(last, now, 'errors'),
      refusalsPerSec: perSecond(last, now, 'refusals'),
      eventLoopP50Ms: p50Ms,
      eventLoopP99Ms: p99Ms,
      poolUtilization: utilization(last, now, threads.value()),
      transfers: transfers.total,
      slabsInUse: slabs.total - slabs.value('free'),
      connections: connections.value(),
      rssBytes: process.memoryUsage.rss(),
    };
  }
}

/** The part of the time of `threads` that was work. Jobs count when they end, so a short time may seem to have too many. */
export function utilization(from: Tally, to: Tally, threads: number): number {
  return Math.min(1, perSecond(from, to, 'jobSeconds') / Math.max(1, threads));
}
