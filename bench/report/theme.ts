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
  orange: { light: '#bc4c00', dark: '#f0883e' },
  purple: { light: '#8250df', dark: '#bc8cff' },
  green: { light: '#1a7f37', dark: '#3fb950' },
  gold: { light: '#9a6700', dark: '#d29922' },
  pink: { light: '#bf3989', dark: '#f778ba' },
  grey: { light: '#818b98', dark: '#6e7681' },
} as const satisfies Record<string, Colour>;

/** Who keeps a colour through all charts; others get what is left, in turn. */
const OWNERS: Readonly<Record<string, keyof typeof COLOURS>> = {
  sluice: 'blue',
  'sluice auto': 'blue',
  'stock tuned': 'orange',
  'stock large-heap': 'purple',
  'stock default': 'pink',
  'grpc-go': 'green',
  nginx: 'grey',
  'idle sluice beside it': 'grey',
};

const OTHERS = ['orange', 'purple', 'green', 'pink', 'gold', 'grey'] as const;

/** The colour of each contender, as it is drawn. */
export function coloursOf(contenders: readonly string[]): string[] {
  const taken = new Set(contenders.map(ownOf));
  const free = OTHERS.filter((name) => !taken.has(name));
  let next = 0;
  return contenders.map((name) => {
    const own = ownOf(name);
    if (own !== undefined) return COLOURS[own].light;
    next += 1;
    return COLOURS[free[(next - 1) % free.length] ?? 'grey'].light;
  });
}

/** On a connection in use is what is meant where nothing is said. */
function ownOf(contender: string): keyof typeof COLOURS | undefined {
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
