/** Every counter of a server as a metric of prom-client, read when somebody scrapes. */
import type { Counters } from '../base/counters/counters.ts';
import type { Histogram, Metric } from '../base/counters/metric.ts';
import { TransferError } from '../base/errors.ts';

/** A `Registry` of prom-client, as far as it is used; which copy of prom-client it is of does not matter. */
export interface MetricsRegistry {
  registerMetric(metric: never): void;
  removeSingleMetric(name: string): void;
}

/** One line of a scrape. */
interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Of which nearly all cells stay 0 for ever: those that are 0 are left out. */
const SPARSE_LABEL = 'code';

/**
 * Adds the counters to a registry. Returns what takes them out again.
 *
 * @throws TransferError INVALID_ARGUMENT where the registry has metrics with these names
 */
export function registerCounters(registry: MetricsRegistry, counters: Counters): () => void {
  const names: string[] = [];
  const remove = () => {
    for (const name of names.splice(0)) registry.removeSingleMetric(name);
  };
  /** prom-client asks a metric for its values and writes them; it counts nothing itself. */
  const add = ({ name, help }: { name: string; help: string }, type: string, values: () => Value[]) => {
    const get = async () => ({ name, help, type, values: values(), aggregator: 'sum' });
    registry.registerMetric({ name, help, get } as never);
    names.push(name);
  };
  try {
    for (const metric of counters.all) add(metric, metric.type, () => valuesOf(metric));
    for (const histogram of counters.histograms) add(histogram, 'histogram', () => bucketsOf(histogram));
  } catch (cause) {
    remove();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TransferError(
      'INVALID_ARGUMENT',
      `the registry does not take the metrics of this server: ${why}; give each server a registry of its own`,
      { cause },
    );
  }
  return remove;
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
