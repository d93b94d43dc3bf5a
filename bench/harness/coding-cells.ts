/** The grid that a choice of codings is measured on, in either direction: links of four rates, three kinds of data. */

import { type LinkProcess, startLinkProcess } from '../../link-emulator/link-process.ts';
import { parseEndpoint } from '../../link-emulator/notation.ts';
import { MIB } from '../../src/base/units.ts';
import { atLeast, type Bar, type Figure, figureOf } from './bar.ts';
import type { Server } from './contender.ts';
import type { BenchContext, CaseParameters } from './scenario.ts';

export type Data = 'text' | 'random' | 'both';

/** One way to send the same: `auto`, or forced. */
export interface Way {
  readonly name: string;
  readonly compression: 'never' | 'auto' | 'always';
}

export interface Cell {
  readonly name: string;
  readonly data: Data;
  readonly mibPerSec: number;
  /** In the directory of the context. */
  readonly file: string;
}

/** Rates of links in MiB a second, with sizes that take seconds plainly and some more than one compressed. */
const LINKS: readonly [mibPerSec: number, fileMib: number][] = [
  [1, 16],
  [10, 96],
  [100, 512],
  [Number.POSITIVE_INFINITY, 1024],
];

const WARM_UP_BYTES = 256 * MIB;
const WARM_UP_SECONDS = 1.5;
/** Where the transfer itself takes two seconds: what compresses gets fewer bytes through and would begin with colder code. */
const LONG_WARM_UP_SECONDS = 4;

const KINDS: readonly Data[] = ['text', 'random', 'both'];
const WORDS = { text: 'text', random: 'random bytes', both: 'a tar of both' } as const;

/** All cells, each with its file. */
export async function prepareCells({ files, quick }: BenchContext): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const [mibPerSec, fileMib] of LINKS) {
    for (const data of KINDS) {
      const file = await files[data]((quick ? fileMib / 4 : fileMib) * MIB);
      cells.push({ name: cellName(mibPerSec, data), data, mibPerSec, file });
    }
  }
  return cells;
}

/**
 * Half text: sent around the link for `warmUpSeconds` before a cell is measured, as a server runs for days and a
 * choice is code too.
 */
export function warmUpFile({ files }: BenchContext): Promise<string> {
  return files.both(WARM_UP_BYTES);
}

/** One bar for each cell: the first of the ways, over the best of the others. */
export function cellBars(ways: readonly Way[]): Bar[] {
  return LINKS.flatMap(([rate]) => KINDS.map((data) => barOf(cellName(rate, data), ways, 0.9)));
}

function cellName(mibPerSec: number, data: Data): string {
  return `${Number.isFinite(mibPerSec) ? `${mibPerSec} MiB/s` : 'no limit'}, ${WORDS[data]}`;
}

/** Where a case stands in a chart. */
export function parametersOf({ data, mibPerSec }: Cell, way: Way): CaseParameters {
  return {
    contender: way.name,
    linkMibPerSec: Number.isFinite(mibPerSec) ? mibPerSec : 'unlimited',
    data: WORDS[data],
  };
}

/** How long a cell's ends are warmed up, in any of the ways. */
export function warmUpSeconds({ mibPerSec }: Cell): number {
  return Number.isFinite(mibPerSec) ? WARM_UP_SECONDS : LONG_WARM_UP_SECONDS;
}

/** How often a cell is measured in a round: thrice where that takes a second or two. */
export function timesARound({ mibPerSec }: Cell, { compression }: Way): number {
  return Number.isFinite(mibPerSec) || compression === 'always' ? 1 : 3;
}

export function caseName(cell: string, way: Way): string {
  return `${cell}: ${way.name}`;
}

/** The rate of auto over the best of the forced ones. */
export function barOf(cell: string, ways: readonly Way[], bound: number): Bar {
  const [auto, ...forced] = ways.map((way) => figureOf('rateMibPerSec', caseName(cell, way))) as [
    Figure,
    ...Figure[],
  ];
  return atLeast(bound, {
    name: `${cell}: auto ÷ best`,
    evaluate: (medians) => auto.evaluate(medians) / Math.max(...forced.map((each) => each.evaluate(medians))),
  });
}

/** Runs `work` with the server behind a link; stops both in any event. */
export async function behindLink<T>(
  server: Server,
  mibPerSec: number,
  work: (far: Server, link: LinkProcess) => Promise<T>,
): Promise<T> {
  try {
    const rate = Number.isFinite(mibPerSec) ? { rateBytesPerSec: mibPerSec * MIB } : {};
    const link = await startLinkProcess({ target: parseEndpoint(server.target), ...rate, isWarm: true });
    try {
      return await work({ ...server, target: link.address }, link);
    } finally {
      await link.stop();
    }
  } finally {
    await server.stop();
  }
}
