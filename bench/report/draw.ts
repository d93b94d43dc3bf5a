/** Points as an SVG drawing, by vega-lite. The same points always give the same drawing. */
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { formatFigure } from '../harness/table.ts';
import { spreadApart } from './labels.ts';
import type { Point } from './points.ts';
import { COLOURS, stylesOf, withDarkForm } from './theme.ts';

const FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif";
const [TEXT, QUIET, GRID] = [COLOURS.text.light, COLOURS.quiet.light, COLOURS.grid.light];

/** Never an exponent. */
const NUMBERS = ',.2~f';

const WIDTH = 460;
const BAR_WIDTH = 420;
const HEIGHT = 300;
const FACET_WIDTH = 210;
const LABEL_GAP = 17;

/** Between the end of a line and its name: a thin line that leads from one to the other. */
const LEADER = { from: 8, to: 26 };

/** What is said about a chart, and how it is drawn. */
export interface Drawing {
  title: string;
  /** Below the title, smaller. */
  subtitle: string;
  xTitle: string;
  yTitle: string;
  kind: 'lines' | 'bars' | 'panels';
}

/** Resolves to the text of the file. */
export async function draw(points: readonly Point[], drawing: Drawing): Promise<string> {
  const view = new View(parse(compile(specOf(points, drawing)).spec), { renderer: 'none' });
  try {
    return `${withDarkForm(await view.toSVG())}\n`;
  } finally {
    view.finalize();
  }
}

function specOf(points: readonly Point[], drawing: Drawing): TopLevelSpec {
  const frame = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: COLOURS.ground.light,
    padding: 16,
    title: {
      text: drawing.title,
      subtitle: drawing.subtitle,
      anchor: 'start',
      frame: 'group',
      offset: 18,
    },
    config: CONFIG,
  };
  const part = { lines: linesOf, bars: barsOf, panels: panelsOf }[drawing.kind](points, drawing);
  return { ...frame, ...part } as unknown as TopLevelSpec;
}

const CONFIG = {
  // The page has a text for who cannot see the image.
  aria: false,
  font: FONT,
  view: { stroke: null },
  title: {
    color: TEXT,
    fontSize: 16,
    fontWeight: 600,
    subtitleColor: QUIET,
    subtitleFontSize: 13,
    subtitlePadding: 6,
  },
  axis: {
    labelColor: QUIET,
    titleColor: QUIET,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    gridColor: GRID,
    domainColor: GRID,
    tickColor: GRID,
    labelPadding: 6,
    titlePadding: 10,
    labelFlush: false,
    labelLimit: 400,
  },
  legend: { labelColor: TEXT, labelFontSize: 13, title: null, symbolSize: 90, orient: 'top', offset: 10 },
  header: { labelColor: TEXT, labelFontSize: 13, title: null },
};

/** Lines over numbers, on a scale of doublings, with the names at their ends. */
function linesOf(points: readonly Point[], { xTitle, yTitle }: Drawing): object {
  const places = [...new Set(points.map(({ x }) => Number(x)))].sort((one, other) => one - other);
  const top = niceTop(Math.max(...points.map(({ high }) => high)));
  const hasZero = places.includes(0);
  const x = {
    field: 'x',
    type: 'quantitative',
    scale: hasZero ? { type: 'symlog', constant: 4, nice: false } : { type: 'log', base: 2, nice: false },
    axis: { title: xTitle, values: places, grid: false, format: 'd', labelOverlap: false },
  };
  const y = {
    field: 'value',
    type: 'quantitative',
    scale: { domain: [0, top] },
    axis: { title: yTitle, tickCount: 5, domain: false, ticks: false, format: NUMBERS },
  };
  const { color, shape, strokeDash } = lookOf(points, null);
  const labels = endLabels(points, top);
  const place = { ...y, field: 'place' };
  return {
    width: WIDTH,
    height: HEIGHT,
    layer: [
      {
        data: { values: points },
        mark: { type: 'rule', strokeWidth: 2, opacity: 0.45 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
      },
      {
        data: { values: joined(points) },
        mark: { type: 'line', strokeWidth: 2.5 },
        encoding: { x, y, color, strokeDash },
      },
      {
        data: { values: points },
        mark: { type: 'point', filled: true, size: 70, opacity: 1 },
        encoding: { x, y, color, shape },
      },
      {
        data: { values: labels },
        mark: { type: 'rule', strokeWidth: 1, opacity: 0.6, clip: false },
        encoding: {
          x: { value: WIDTH + LEADER.from },
          x2: { value: WIDTH + LEADER.to },
          y,
          y2: { field: 'place' },
          color,
        },
      },
      {
        data: { values: labels },
        mark: { type: 'text', align: 'left', fontSize: 13 },
        encoding: { x: { value: WIDTH + LEADER.to + 4 }, y: place, text: { field: 'contender' }, color },
      },
    ],
  };
}

/** The points of those who have enough of them for a line: one between two would look like data. */
function joined(points: readonly Point[]): Point[] {
  return points.filter(({ contender }) => points.filter((each) => each.contender === contender).length > 2);
}

function endLabels(points: readonly Point[], top: number): object[] {
  const ends = contendersOf(points).flatMap((contender) => {
    const own = points.filter((point) => point.contender === contender);
    return own.reduce((last, point) => (Number(point.x) > Number(last.x) ? point : last), own[0] as Point);
  });
  const toPixels = HEIGHT / top;
  const places = spreadApart(
    ends.map(({ value }) => value * toPixels),
    LABEL_GAP,
    HEIGHT,
  );
  return ends.map(({ contender, value }, index) => ({
    contender,
    value,
    place: (places[index] ?? 0) / toPixels,
  }));
}

/** A group of bars for each x, each bar with its figure. */
function barsOf(points: readonly Point[], { xTitle, yTitle }: Drawing): object {
  const y = {
    field: 'contender',
    type: 'nominal',
    sort: contendersOf(points),
    axis: { title: null, labelColor: TEXT, labelFontSize: 13, domain: false, ticks: false },
  };
  const x = {
    field: 'value',
    type: 'quantitative',
    axis: { title: yTitle, tickCount: 5, domain: false, ticks: false, format: NUMBERS },
  };
  const groupOf = ({ x: place }: Point) => `${place} ${xTitle}`.trim();
  const row = {
    field: 'group',
    type: 'nominal',
    sort: [...new Set(points.map(groupOf))],
    header: { labelOrient: 'top', labelAnchor: 'start', labelFontWeight: 600, labelPadding: 4 },
    spacing: 14,
  };
  const layer = [
    {
      // Round corners would be cut with clip paths, whose ids go on from one drawing to the next.
      mark: { type: 'bar', height: 18 },
      encoding: { y, x, color: lookOf(points, null).color },
    },
    {
      mark: { type: 'rule', strokeWidth: 1.5, color: TEXT, opacity: 0.6 },
      encoding: { y, x: { ...x, field: 'low' }, x2: { field: 'high' } },
    },
    {
      mark: { type: 'text', align: 'left', dx: 6, fontSize: 12, color: TEXT },
      encoding: { y, x: { ...x, field: 'high' }, text: { field: 'figure' } },
    },
  ];
  return {
    data: {
      values: points.map((point) => ({ ...point, group: groupOf(point), figure: formatFigure(point.value) })),
    },
    facet: { row },
    spec: { width: BAR_WIDTH, height: { step: 28 }, layer },
  };
}

/** Above the highest and below the lowest point of a panel, as a factor. */
const PANEL_ROOM = 1.4;

/** A small chart for each facet, over words, with a logarithmic scale: rates of links differ by powers of ten. */
function panelsOf(points: readonly Point[], { xTitle, yTitle }: Drawing): object {
  const order = [...new Set(points.map(({ x }) => x))];
  const facets = [...new Set(points.map(({ facet }) => facet))];
  const values = points.map(({ value }) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const x = { field: 'x', type: 'ordinal', sort: order, axis: { title: xTitle, labelAngle: 0, grid: false } };
  const y = {
    field: 'value',
    type: 'quantitative',
    // Not from one power of ten to another: the lowest figure is just below one.
    scale: { type: 'log', domain: [least / PANEL_ROOM, most * PANEL_ROOM], nice: false },
    axis: { title: yTitle, domain: false, ticks: false, format: NUMBERS, tickCount: 4 },
  };
  // Around the shapes of a legend dashes would only blur them.
  const look = lookOf(points, { symbolStrokeWidth: 0 });
  const { color, strokeDash } = look;
  return {
    data: { values: points },
    facet: { column: { field: 'facet', type: 'nominal', sort: facets } },
    spec: {
      width: FACET_WIDTH,
      height: HEIGHT,
      layer: [
        { mark: { type: 'line', strokeWidth: 2 }, encoding: { x, y, color, strokeDash } },
        { mark: { type: 'point', filled: true, size: 55, opacity: 1 }, encoding: { x, y, ...look } },
      ],
    },
  };
}

/** Who has which colour, shape and dashes; `legend` null for none. */
function lookOf(
  points: readonly Point[],
  legend: object | null,
): Record<'color' | 'shape' | 'strokeDash', object> {
  const domain = contendersOf(points);
  const styles = stylesOf(domain);
  const channel = (range: readonly unknown[]) => ({
    field: 'contender',
    type: 'nominal',
    sort: domain,
    scale: { domain, range },
    legend,
  });
  return {
    color: channel(styles.map(({ colour }) => colour)),
    shape: channel(styles.map(({ shape }) => shape)),
    strokeDash: channel(styles.map(({ dash }) => dash)),
  };
}

function contendersOf(points: readonly Point[]): string[] {
  return [...new Set(points.map(({ contender }) => contender))];
}

/** The next of 1, 2, 2.5, 5 × 10ⁿ steps above, so that the axis ends in a line of its grid. */
function niceTop(value: number): number {
  const step = 10 ** Math.floor(Math.log10(value / 4));
  const nice =
    [1, 2, 2.5, 5, 10].map((factor) => factor * step).find((each) => each * 5 >= value) ?? step * 10;
  return Math.ceil(value / nice) * nice;
}
