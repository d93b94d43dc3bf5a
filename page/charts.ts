/** The last fifteen minutes as curves. */
import uPlot from 'uplot';
import { formatBytes } from '../src/base/units.ts';
import type { GetHistoryResponse, HistoryPoint } from '../src/wire/admin-messages.ts';
import { writeMs } from '../src/wire/admin-words.ts';
import { byId, make, setAttribute, setText } from './dom.ts';
import { ask } from './feed.ts';

const SPAN_SECONDS = 15 * 60;
const HEIGHT_PX = 180;

interface Curve {
  readonly name: string;
  /** A custom property of the style sheet. */
  readonly color: string;
  readonly valueOf: (point: HistoryPoint) => number;
}

interface ChartOptions {
  readonly id: string;
  readonly curves: readonly Curve[];
  /** The least that the axis goes up to. */
  readonly atLeast: number;
  /** Steps of the axis. */
  readonly steps: readonly number[];
  readonly write: (value: number) => string;
  /** As `write`, of a step of the axis. */
  readonly writeStep: (value: number) => string;
}

class Chart {
  readonly #options: ChartOptions;
  readonly #place: HTMLElement;
  readonly #values: HTMLElement[];
  readonly #plot: uPlot;

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#place = byId(`${options.id}-chart`);
    const legend = byId(`${options.id}-legend`);
    this.#values = options.curves.map(({ name }, index) => {
      const value = make('span');
      legend.append(
        make('li', {}, make('i', { class: index === 0 ? 'first' : 'second' }), `${name} `, value),
      );
      return value;
    });
    const axis = {
      stroke: () => colorOf('--muted'),
      grid: { stroke: () => colorOf('--line'), width: 1 },
      ticks: { show: false },
    };
    this.#plot = new uPlot(
      {
        width: this.#place.clientWidth,
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: {
          x: { range: (_plot, _min, max) => spanTo(max ?? Date.now() / 1000) },
          y: { range: (_plot, _min, max) => [0, Math.max(options.atLeast, max * 1.1)] },
        },
        axes: [
          { ...axis, size: 28, values: (_plot, splits) => splits.map(writeClock) },
          {
            ...axis,
            size: 76,
            incrs: [...options.steps],
            values: (_plot, splits) => splits.map(options.writeStep),
          },
        ],
        series: [
          {},
          ...options.curves.map(({ color, name }) => ({
            label: name,
            stroke: () => colorOf(color),
            width: 2,
            points: { show: false },
          })),
        ],
        hooks: { setCursor: [() => this.#showValues()] },
      },
      [[]],
      this.#place,
    );
    new ResizeObserver(() =>
      this.#plot.setSize({ width: this.#place.clientWidth, height: HEIGHT_PX }),
    ).observe(this.#place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot.redraw(false));
  }

  show(points: readonly HistoryPoint[]): void {
    const { curves, write } = this.#options;
    const times = points.map(({ timeMs }) => timeMs / 1000);
    const values = curves.map((curve) => points.map((point) => curve.valueOf(point)));
    this.#plot.setData([times, ...values]);
    this.#showValues();
    const facts = curves.map(({ name }, index) => {
      const own = values[index] ?? [];
      return `${name}: now ${write(own.at(-1) ?? 0)}, at most ${write(Math.max(0, ...own))}`;
    });
    setAttribute(this.#place, 'aria-label', points.length === 0 ? 'no values yet' : facts.join('; '));
  }

  /** Under the cursor, or the last ones. */
  #showValues(): void {
    const plot = this.#plot as uPlot | undefined;
    this.#values.forEach((place, index) => {
      const own = plot?.data[index + 1] ?? [];
      const value = plot?.cursor.idx == null ? own.at(-1) : own[plot.cursor.idx];
      setText(place, value == null ? '' : this.#options.write(value));
    });
  }
}

export class Charts {
  readonly #points: HistoryPoint[] = [];
  readonly #charts = [
    new Chart({
      id: 'rate',
      atLeast: 1024,
      steps: Array.from({ length: 40 }, (_, power) => 2 ** power),
      write: (value) => `${formatBytes(value)}/s`,
      writeStep: (value) => `${formatBytes(value)}/s`,
      curves: [
        { name: 'sent', color: '--accent', valueOf: (point) => point.sentWireBytesPerSec },
        { name: 'received', color: '--second', valueOf: (point) => point.receivedWireBytesPerSec },
      ],
    }),
    new Chart({
      id: 'delay',
      atLeast: 10,
      steps: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000],
      write: writeMs,
      writeStep: (value) => `${value} ms`,
      curves: [
        { name: 'median', color: '--accent', valueOf: (point) => point.eventLoopP50Ms },
        { name: '99th percentile', color: '--second', valueOf: (point) => point.eventLoopP99Ms },
      ],
    }),
  ];

  /** Asks for what is new and draws it. */
  async update(): Promise<void> {
    const afterMs = this.#points.at(-1)?.timeMs ?? 0;
    const { points } = await ask<GetHistoryResponse>(`/api/history?afterMs=${afterMs}`);
    this.#points.push(...points);
    // By the clock of the server.
    const oldest = (this.#points.at(-1)?.timeMs ?? 0) - SPAN_SECONDS * 1000;
    while ((this.#points[0]?.timeMs ?? oldest) < oldest) this.#points.shift();
    for (const chart of this.#charts) chart.show(this.#points);
  }
}

function spanTo(seconds: number): [number, number] {
  return [seconds - SPAN_SECONDS, seconds];
}

function colorOf(property: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(property);
}

function writeClock(seconds: number): string {
  return new Date(seconds * 1000).toTimeString().slice(0, 5);
}
