/**
 * The colours of the charts. An SVG in a page is an image: the page's colours
 * do not reach it, so each chart has a ground of its own, and both follow what
 * the reader's system prefers.
 */

/** Light and dark forms of a colour; the light one is what the charts are drawn with. */
interface Colour {
  light: string;
  dark: string;
}

/** No two are equal, because a colour of the drawing is found again by its light form. */
export const COLOURS = {
  ground: { light: '#ffffff', dark: '#0d1117' },
  text: { light: '#1f2328', dark: '#e6edf3' },
  quiet: { light: '#59636e', dark: '#9198a1' },
  grid: { light: '#d8dee4', dark: '#30363d' },
  blue: { light: '#0969da', dark: '#58a6ff' },
  sky: { light: '#218bff', dark: '#a5d6ff' },
  orange: { light: '#bc4c00', dark: '#f0883e' },
  purple: { light: '#8250df', dark: '#bc8cff' },
  green: { light: '#1a7f37', dark: '#3fb950' },
  pink: { light: '#bf3989', dark: '#f778ba' },
  grey: { light: '#818b98', dark: '#6e7681' },
  slate: { light: '#424a53', dark: '#b1bac4' },
  olive: { light: '#5c6b00', dark: '#a8b820' },
  gold: { light: '#9a6700', dark: '#d29922' },
  teal: { light: '#1b7c83', dark: '#39c5cf' },
  red: { light: '#cf222e', dark: '#ff7b72' },
} as const satisfies Record<string, Colour>;

/** What tells a contender apart from others, also without colours and where one line covers another. */
export interface Style {
  colour: string;
  /** Of its points, as vega names it. */
  shape: string;
  /** Of its line: lengths of dashes and gaps. */
  dash: readonly number[];
}

type StyleName = readonly [colour: keyof typeof COLOURS, shape: string, dash: readonly number[]];

const SOLID = [1, 0];

/** Who looks the same on all charts. What sluice does by itself is blue; forced to something it is somebody else. */
const OWNERS: Readonly<Record<string, StyleName>> = {
  sluice: ['blue', 'circle', SOLID],
  'sluice, cold': ['sky', 'circle', [2, 2]],
  auto: ['blue', 'circle', SOLID],
  plain: ['teal', 'square', [6, 3]],
  'gzip 1': ['gold', 'triangle-up', [2, 2]],
  'gzip 6': ['red', 'diamond', [8, 3, 2, 3]],
  'stock tuned': ['orange', 'square', [6, 3]],
  'stock large-heap': ['purple', 'triangle-up', [2, 2]],
  'stock default': ['pink', 'cross', [10, 4]],
  'grpc-go': ['green', 'diamond', [8, 3, 2, 3]],
  nginx: ['grey', 'triangle-down', [4, 4]],
  'idle sluice beside it': ['olive', 'triangle-down', [4, 4]],
  'plain TCP by Node': ['slate', 'cross', [10, 4]],
};

/** For everybody else, in turn; no colour of those who are on most charts, so that nobody is taken for one of them. */
const OTHERS: readonly StyleName[] = [
  ['gold', 'triangle-up', [2, 2]],
  ['teal', 'square', [6, 3]],
  ['red', 'diamond', [8, 3, 2, 3]],
  ['slate', 'cross', [10, 4]],
];

/** Where there are more than that. */
const LAST: StyleName = ['grey', 'stroke', [1, 3]];

/** How each contender is drawn. */
export function stylesOf(contenders: readonly string[]): Style[] {
  const taken = contenders.map(ownOf);
  const free = OTHERS.filter(
    ([colour, shape]) => !taken.some((style) => style?.[0] === colour || style?.[1] === shape),
  );
  let next = 0;
  return contenders.map((name) => {
    const [colour, shape, dash] = ownOf(name) ?? free[next++ % free.length] ?? LAST;
    return { colour: COLOURS[colour].light, shape, dash };
  });
}

/** On a connection in use is what is meant where nothing is said. */
function ownOf(contender: string): StyleName | undefined {
  return OWNERS[contender.replace(/, warm$/, '')];
}

/** The drawing with its dark form beside the light one. */
export function withDarkForm(svg: string): string {
  const rules = Object.values(COLOURS).flatMap(({ dark, light }) =>
    ['fill', 'stroke'].map((paint) => `[${paint}="${light}"]{${paint}:${dark}}`),
  );
  return svg.replace(/<svg [^>]*>/, (start) => {
    return `${start}<style>@media (prefers-color-scheme: dark){${rules.join('')}}</style>`;
  });
}
