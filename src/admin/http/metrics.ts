/** What Prometheus scrapes: every counter of the server, and what prom-client knows of the process. */
import { AggregatorRegistry, Registry } from 'prom-client';
import { Counters } from '../../base/counters/counters.ts';
import { registerCounters } from '../metrics.ts';
import type { ToldMetrics } from '../processes.ts';

export class Metrics {
  readonly #tell: () => Promise<ToldMetrics>;

  constructor(tell: () => Promise<ToldMetrics>) {
    this.#tell = tell;
  }

  /** Of what `text` returns. */
  get contentType(): string {
    return Registry.PROMETHEUS_CONTENT_TYPE;
  }

  /** All of them, as Prometheus reads them; what processes have counted is added up. */
  async text(): Promise<string> {
    const { gone, told } = await this.#tell();
    const counters = new Counters();
    for (const each of told) counters.addValues(each.counters);
    if (gone !== null) counters.addValues(gone, true);
    const own = new Registry();
    registerCounters(own, counters);
    const ofProcesses = AggregatorRegistry.aggregate(told.map(({ process }) => process as object[]));
    return (await own.metrics()) + (await ofProcesses.metrics());
  }
}
