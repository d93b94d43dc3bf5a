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
  /** Of all cells, in a fixed order. */
  numbers(): number[];
  /** Adds what `numbers` of the same metric of another process has told. */
  addNumbers(numbers: readonly number[]): void;
}

/** What a metric is made from. */
export interface MetricDefinition {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly Label[];
  /** A value of the first label whose cells say a maximum: of several processes, the largest counts, not the sum. */
  readonly maximum?: string | undefined;
}

const NO_VALUE = '';

/** A metric with at most two labels: without rest parameters, which would be an array for each count. */
export class Cells {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly Label[];
  readonly #maximum: string | undefined;
  readonly #numbers: Float64Array;
  readonly #reads: (() => number)[] = [];
  readonly #first: ReadonlyMap<string, number>;
  readonly #second: ReadonlyMap<string, number>;

  constructor({ name, type, help, labels, maximum }: MetricDefinition) {
    this.#maximum = maximum;
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

  numbers(): number[] {
    return Array.from(this.#numbers, (_, cell) => this.#valueOf(cell));
  }

  addNumbers(numbers: readonly number[]): void {
    const maximum = this.#maximum === undefined ? undefined : this.#first.get(this.#maximum);
    for (const [cell, value] of numbers.entries()) {
      const before = this.#numbers[cell] as number;
      const isMaximum = Math.floor(cell / this.#second.size) === maximum;
      this.#numbers[cell] = isMaximum ? Math.max(before, value) : before + value;
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

/** How often a value came, up to each of some bounds. */
export class Histogram<Value extends string = string> {
  /** As Prometheus names metrics, unit and all. */
  readonly name: string;
  readonly help: string;
  readonly label: Label<Value>;
  /** Ascending; one more bucket has what is larger. */
  readonly bounds: readonly number[];
  readonly #index: ReadonlyMap<string, number>;
  /** For each value of the label, its buckets and then its sum. */
  readonly #cells: Float64Array;

  constructor(name: string, help: string, bounds: readonly number[], label: Label<Value>) {
    this.name = name;
    this.help = help;
    this.bounds = bounds;
    this.label = label;
    this.#index = indexesOf(label);
    this.#cells = new Float64Array(this.#index.size * this.#rowLength);
  }

  observe(value: number, labelValue: Value): void {
    const { bounds } = this;
    const row = (this.#index.get(labelValue) as number) * this.#rowLength;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
    this.#add(row + bucket, 1);
    this.#add(row + bounds.length + 1, value);
  }

  /** The sum of all values. */
  get sum(): number {
    let sum = 0;
    for (const row of this.rows()) sum += row.sum;
    return sum;
  }

  /** How many values there were. */
  get count(): number {
    let count = 0;
    for (const row of this.rows()) count += row.buckets.at(-1) ?? 0;
    return count;
  }

  /** For each value of the label: how many were at most each bound, and at last how many there were. */
  *rows(): Generator<{ labelValue: Value; buckets: number[]; sum: number }, void, undefined> {
    for (const [labelValue, index] of this.#index) {
      const row = this.#cells.subarray(index * this.#rowLength, (index + 1) * this.#rowLength);
      let count = 0;
      const buckets = Array.from(row.subarray(0, -1), (each) => {
        count += each;
        return count;
      });
      yield { labelValue: labelValue as Value, buckets, sum: row.at(-1) as number };
    }
  }

  /** Of all cells, in a fixed order. */
  numbers(): number[] {
    return [...this.#cells];
  }

  /** Adds what `numbers` of the same histogram of another process has told. */
  addNumbers(numbers: readonly number[]): void {
    for (const [cell, value] of numbers.entries()) this.#add(cell, value);
  }

  get #rowLength(): number {
    return this.bounds.length + 2;
  }

  #add(cell: number, by: number): void {
    this.#cells[cell] = (this.#cells[cell] as number) + by;
  }
}

function indexesOf(label: Label | undefined): ReadonlyMap<string, number> {
  return new Map((label?.values ?? [NO_VALUE]).map((value, index) => [value, index]));
}
