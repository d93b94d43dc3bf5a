/** What Prometheus scrapes: every counter of the server, and what prom-client knows of the process. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Counters } from '../../base/counters/counters.ts';
import { registerCounters } from '../metrics.ts';

/** prom-client watches the process once for all servers in it, from the first scrape on. */
let ofProcess: Registry | undefined;

export class Metrics {
  readonly #registry = new Registry();

  constructor(counters: Counters) {
    registerCounters(this.#registry, counters);
  }

  /** Of what `text` returns. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All of them, as Prometheus reads them. */
  async text(): Promise<string> {
    if (ofProcess === undefined) {
      ofProcess = new Registry();
      // A coarse clock: the server has one of its own for the delay of the event loop.
      collectDefaultMetrics({ register: ofProcess, eventLoopMonitoringPrecision: 100 });
    }
    const [own, process] = await Promise.all([this.#registry.metrics(), ofProcess.metrics()]);
    return own + process;
  }
}
