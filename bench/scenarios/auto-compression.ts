/**
 * What the server chooses by itself, beside what it is forced to: on links of
 * 1, 10 and 100 MiB/s and without a limit, with program text, random bytes and
 * a tar of both; and on a link that gets fifty times slower under way.
 */
import { MIB } from '../../src/base/units.ts';
import type { LoadReport } from '../drivers/protocol.ts';
import { atLeast, type Bar, type Figure, figureOf } from '../harness/bar.ts';
import { completeLoad, finishDriver, startDriver } from '../harness/contender.ts';
import { toMetrics } from '../harness/metrics.ts';
import type { BenchContext, Case, Scenario } from '../harness/scenario.ts';
import { type LinkProcess, startLinkProcess } from '../link/link-process.ts';
import { startSluice } from '../peers/sluice.ts';

type Data = 'text' | 'random' | 'both';

interface Way {
  readonly name: string;
  readonly compression: 'never' | 'auto' | 'always';
  readonly flags: readonly string[];
}

const WAYS: readonly Way[] = [
  { name: 'auto', compression: 'auto', flags: [] },
  { name: 'plain', compression: 'never', flags: [] },
  { name: 'gzip 1', compression: 'always', flags: ['--compression-level', '1'] },
  { name: 'gzip 6', compression: 'always', flags: ['--compression-level', '6'] },
];

/** Rates of links in MiB a second, with sizes that take seconds plainly and some more than one compressed. */
const LINKS: readonly [mibPerSec: number, fileMib: number][] = [
  [1, 16],
  [10, 96],
  [100, 512],
  [Number.POSITIVE_INFINITY, 1024],
];

const KINDS: readonly Data[] = ['text', 'random', 'both'];

const CHANGE = {
  fromMibPerSec: 100,
  toMibPerSec: 2,
  fileMib: 1024,
  atSeconds: 2,
  skipSeconds: 4,
  seconds: 9,
};

export const autoCompression: Scenario = {
  name: 'auto-compression',
  describe: 'one download through links of four rates, of three kinds of data: auto beside forced codings',
  bars: [
    ...LINKS.flatMap(([rate]) => KINDS.map((data) => barOf(cellName(rate, data), 0.9))),
    barOf(changeName(), 0.8),
  ],
  async prepare(context) {
    const cases: Case[] = [];
    for (const [rate, fileMib] of LINKS) {
      for (const data of KINDS) {
        const file = await context.files[data]((context.quick ? fileMib / 4 : fileMib) * MIB);
        for (const way of WAYS) cases.push(cellCase(context, cellName(rate, data), way, rate, file));
      }
    }
    const file = await context.files.text(CHANGE.fileMib * MIB);
    for (const way of WAYS) cases.push(changeCase(context, way, file));
    return cases;
  },
};

function cellName(mibPerSec: number, data: Data): string {
  const words = { text: 'text', random: 'random bytes', both: 'a tar of both' };
  return `${Number.isFinite(mibPerSec) ? `${mibPerSec} MiB/s` : 'no limit'}, ${words[data]}`;
}

function changeName(): string {
  return `text, 2 s after ${CHANGE.fromMibPerSec} became ${CHANGE.toMibPerSec} MiB/s`;
}

function caseName(cell: string, way: Way): string {
  return `${cell}: ${way.name}`;
}

/** The rate of auto over the best of the forced ones. */
function barOf(cell: string, bound: number): Bar {
  const [auto, ...forced] = WAYS.map((way) => figureOf('rateMibPerSec', caseName(cell, way))) as [
    Figure,
    ...Figure[],
  ];
  return atLeast(bound, {
    name: `${cell}: auto ÷ best`,
    evaluate: (medians) => auto.evaluate(medians) / Math.max(...forced.map((each) => each.evaluate(medians))),
  });
}

function cellCase(context: BenchContext, cell: string, way: Way, mibPerSec: number, file: string): Case {
  return {
    name: caseName(cell, way),
    measure: () =>
      throughLink(context, way, mibPerSec, async (link, serverPid) => {
        const server = { target: link.address, pid: serverPid, stop: async () => {} };
        const plan = { file, verified: true, compression: way.compression };
        return finishDriver<LoadReport>(startDriver('sluice-driver', completeLoad(server, plan, 'tuned')));
      }),
  };
}

function changeCase(context: BenchContext, way: Way, file: string): Case {
  const { atSeconds, fromMibPerSec, seconds, skipSeconds, toMibPerSec } = CHANGE;
  return {
    name: caseName(changeName(), way),
    measure: () =>
      throughLink(context, way, fromMibPerSec, async (link, serverPid) => {
        const server = { target: link.address, pid: serverPid, stop: async () => {} };
        const plan = { file, verified: true, compression: way.compression, seconds, skipSeconds };
        const driver = startDriver('sluice-driver', completeLoad(server, plan, 'tuned'));
        await driver.line(/started/, START_TIMEOUT_MS);
        await new Promise((resolve) => setTimeout(resolve, atSeconds * 1000));
        await link.change({ rateBytesPerSec: toMibPerSec * MIB });
        return finishDriver<LoadReport>(driver);
      }),
  };
}

/** How long a driver may take until its first bytes. */
const START_TIMEOUT_MS = 20_000;

async function throughLink(
  { files }: BenchContext,
  way: Way,
  mibPerSec: number,
  load: (link: LinkProcess, serverPid: number) => Promise<LoadReport>,
) {
  const server = await startSluice(files.directory, way.flags);
  try {
    const [host, port] = server.target.split(':') as [string, string];
    const link = await startLinkProcess({
      target: { host, port: Number(port) },
      ...(Number.isFinite(mibPerSec) ? { rateBytesPerSec: mibPerSec * MIB } : {}),
    });
    try {
      return toMetrics(await load(link, server.pid));
    } finally {
      await link.stop();
    }
  } finally {
    await server.stop();
  }
}
