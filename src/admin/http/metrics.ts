/**
 * What Prometheus scrapes: every counter of the server, read when it is asked for,
 * and what prom-client knows of the process.
 */
import { collectDefaultMetrics, type Metric as PromMetric, Registry } from 'prom-client';
import type { Counters } from '../../base/counters/counters.ts';
import type { Histogram, Metric } from '../../base/counters/metric.ts';

/** One line of a scrape. */
interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Of which nearly all cells stay 0 for ever: those that are 0 are left out. */
const SPARSE_LABEL = 'code';

/** prom-client watches the process once for all servers in it, from the first scrape on. */
let ofProcess: Registry | undefined;

export class Metrics {
  readonly #registry = new Registry();

  constructor(counters: Counters) {
    for (const metric of counters.all) this.#register(metric, metric.type, () => valuesOf(metric));
    for (const histogram of counters.histograms)
      this.#register(histogram, 'histogram', () => bucketsOf(histogram));
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

  /** prom-client asks a metric for its values and writes them; it counts nothing itself. */
  #register({ name, help }: { name: string; help: string }, type: string, values: () => Value[]): void {
    const metric = {
      name,
      help,
      get: async () => ({ name, help, type, values: values(), aggregator: 'sum' }),
    };
    this.#registry.registerMetric(metric as unknown as PromMetric);
  }
}

function valuesOf(metric: Metric): Value[] {
  const names = metric.labels.map(({ name }) => name);
  const isSparse = names.includes(SPARSE_LABEL);
  const values: Value[] = [];
  for (const { labels, value } of metric.samples()) {
    if (isSparse && value === 0) continue;
    values.push({ labels: Object.fromEntries(names.map((name, i) => [name, labels[i] ?? ''])), value });
  }
  return values;
}

function bucketsOf(histogram: Histogram): Value[] {
  const { bounds, label, name } = histogram;
  return Array.from(histogram.rows(), ({ buckets, labelValue, sum }) => {
    const labels = { [label.name]: labelValue };
    const counts = buckets.map((value, i) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: i < bounds.length ? String(bounds[i]) : '+Inf' },
      value,
    }));
    return [
      ...counts,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: buckets.at(-1) ?? 0 },
    ];
  }).flat();
}
