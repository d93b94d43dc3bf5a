/**
 * What the server chooses by itself, beside what it is forced to: on links of
 * 1, 10 and 100 MiB/s and without a limit, with program text, random bytes and
 * a tar of both; and on a link that gets fifty times slower under way.
 */
import { join } from 'node:path';
import { MIB } from '../../src/base/units.ts';
import type { LoadReport } from '../drivers/protocol.ts';
import {
  barOf,
  behindLink,
  type Cell,
  caseName,
  cellBars,
  parametersOf,
  prepareCells,
  timesARound,
  type Way,
  warmUpFile,
  warmUpSeconds,
} from '../harness/coding-cells.ts';
import { completeLoad, finishDriver, startDriver } from '../harness/contender.ts';
import { toMetrics } from '../harness/metrics.ts';
import { cacheFile } from '../harness/page-cache.ts';
import type { BenchContext, Case, Scenario } from '../harness/scenario.ts';
import { startSluice } from '../peers/sluice.ts';

interface DownloadWay extends Way {
  /** Of the server. */
  readonly flags: readonly string[];
}

const WAYS: readonly DownloadWay[] = [
  { name: 'auto', compression: 'auto', flags: [] },
  { name: 'plain', compression: 'never', flags: [] },
  { name: 'gzip 1', compression: 'always', flags: ['--compression-level', '1'] },
  { name: 'gzip 6', compression: 'always', flags: ['--compression-level', '6'] },
];

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
  bars: [...cellBars(WAYS), barOf(changeName(), WAYS, 0.8)],
  skipsWarmUp: true,
  async prepare(context) {
    const cells = await prepareCells(context);
    const warmUpName = await warmUpFile(context);
    const cases = cells.flatMap((cell) => WAYS.map((way) => cellCase(context, cell, way, warmUpName)));
    const file = await context.files.text(CHANGE.fileMib * MIB);
    for (const way of WAYS) cases.push(changeCase(context, way, file));
    return cases;
  },
};

function changeName(): string {
  return `text, 2 s after ${CHANGE.fromMibPerSec} became ${CHANGE.toMibPerSec} MiB/s`;
}

function cellCase({ files }: BenchContext, cell: Cell, way: DownloadWay, warmUpName: string): Case {
  const { file, mibPerSec, name } = cell;
  return {
    name: caseName(name, way),
    parameters: parametersOf(cell, way),
    timesARound: timesARound(cell, way),
    async measure() {
      cacheFile(join(files.directory, file));
      const server = await startSluice(files.directory, way.flags);
      return await behindLink(server, mibPerSec, async (far) => {
        const warmUp = { reads: 1, seconds: warmUpSeconds(cell), target: server.target, file: warmUpName };
        const plan = { file, verified: true, compression: way.compression, warmUp };
        const driver = startDriver('sluice-driver', completeLoad(far, plan, 'tuned'));
        return toMetrics(await finishDriver<LoadReport>(driver));
      });
    },
  };
}

function changeCase({ files }: BenchContext, way: DownloadWay, file: string): Case {
  const { atSeconds, fromMibPerSec, seconds, skipSeconds, toMibPerSec } = CHANGE;
  return {
    name: caseName(changeName(), way),
    async measure() {
      cacheFile(join(files.directory, file));
      const server = await startSluice(files.directory, way.flags);
      return await behindLink(server, fromMibPerSec, async (far, link) => {
        const plan = { file, verified: true, compression: way.compression, seconds, skipSeconds };
        const driver = startDriver('sluice-driver', completeLoad(far, plan, 'tuned'));
        await driver.says(/started/, START_TIMEOUT_MS);
        await new Promise((resolve) => setTimeout(resolve, atSeconds * 1000));
        await link.change({ rateBytesPerSec: toMibPerSec * MIB });
        return toMetrics(await finishDriver<LoadReport>(driver));
      });
    },
  };
}

/** How long a driver may take until its first bytes. */
const START_TIMEOUT_MS = 20_000;
