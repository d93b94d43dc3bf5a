/** What prom-client knows of this process: memory, processor, garbage. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { ProcessMetrics } from './processes.ts';

/** prom-client watches the process once for all servers in it, from the first scrape on. */
let ofProcess: Registry | undefined;

/**
 * What prom-client knows of this process.
 *
 * @param name tells it from the other processes of its server; empty where there are none
 */
export async function processMetrics(name: string): Promise<ProcessMetrics> {
  if (ofProcess === undefined) {
    ofProcess = new Registry();
    if (name !== '') ofProcess.setDefaultLabels({ process: name });
    // A coarse clock: the server has one of its own for the delay of the event loop.
    collectDefaultMetrics({ register: ofProcess, eventLoopMonitoringPrecision: 100 });
  }
  const metrics = await ofProcess.getMetricsAsJSON();
  // Each value has the label of its process: there is nothing to add up.
  return metrics.map((metric) => ({ ...metric, aggregator: 'first' }));
}
