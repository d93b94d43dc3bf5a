/**
 * Metrics with labels from closed sets. All cells are allocated at the start, so
 * that counting allocates nothing and no peer can add cells.
 */

/** A label, and the values it can have. */
export interface Label<Value extends string = string> {
  readonly name: string;
  readonly values: readonly Value[];
}

export type LabelValues<Labels extends readonly Label[]> = {
  [Index in keyof Labels]: Labels[Index] extends Label<infer Value> ? Value : never;
};

/** A counter only grows; a gauge says how much there is now. */
export type MetricType = 'counter' | 'gauge';

/** One cell, as it is exported. */
export interface Sample {
  /** In the order of the metric's labels. */
  readonly labels: readonly string[];
  readonly value: number;
}

export interface Metric<Values extends readonly string[] = readonly string[]> {
  /** As Prometheus names metrics, unit and all. */
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly Label[];
  /** Of all cells. */
  readonly total: number;
  add(by: number, ...values: Values): void;
  /** Reads the cell from where the number is kept anyway. */
  observe(read: () => number, ...values: Values): void;
  value(...values: Values): number;
  samples(): Iterable<Sample>;
}

/** What a metric is made from. */
export interface MetricDefinition {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly Label[];
}

const NO_VALUE = '';

/** A metric with at most two labels: without rest parameters, which would be an array for each count. */
export class Cells {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly Label[];
  readonly #numbers: Float64Array;
  readonly #reads: (() => number)[] = [];
  readonly #first: ReadonlyMap<string, number>;
  readonly #second: ReadonlyMap<string, number>;

  constructor({ name, type, help, labels }: MetricDefinition) {
    this.name = name;
    this.type = type;
    this.help = help;
    this.labels = labels;
    this.#first = indexesOf(labels[0]);
    this.#second = indexesOf(labels[1]);
    this.#numbers = new Float64Array(this.#first.size * this.#second.size);
  }

  add(by: number, first = NO_VALUE, second = NO_VALUE): void {
    const cell = this.#cellOf(first, second);
    this.#numbers[cell] = (this.#numbers[cell] as number) + by;
  }

  observe(read: () => number, first = NO_VALUE, second = NO_VALUE): void {
    this.#reads[this.#cellOf(first, second)] = read;
  }

  value(first = NO_VALUE, second = NO_VALUE): number {
    return this.#valueOf(this.#cellOf(first, second));
  }

  get total(): number {
    let sum = 0;
    for (const { value } of this.samples()) sum += value;
    return sum;
  }

  *samples(): Generator<Sample, void, undefined> {
    for (const [first, at] of this.#first) {
      for (const [second, offset] of this.#second) {
        const value = this.#valueOf(at * this.#second.size + offset);
        yield { labels: [first, second].slice(0, this.labels.length), value };
      }
    }
  }

  #valueOf(cell: number): number {
    return this.#reads[cell]?.() ?? (this.#numbers[cell] as number);
  }

  #cellOf(first: string, second: string): number {
    const at = this.#first.get(first);
    const offset = this.#second.get(second);
    if (at === undefined || offset === undefined) {
      throw new Error(`${this.name} has no cell for "${first}" and "${second}"`);
    }
    return at * this.#second.size + offset;
  }
}

function indexesOf(label: Label | undefined): ReadonlyMap<string, number> {
  return new Map((label?.values ?? [NO_VALUE]).map((value, index) => [value, index]));
}
