/**
 * What a client that uploads chooses by itself, beside what it is forced to: on
 * the links and with the data of `auto-compression`, over as many connections
 * as the client opens by itself. Forced, it compresses with gzip 1.
 */
import { join } from 'node:path';
import {
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
import { toMetrics } from '../harness/metrics.ts';
import { cacheFile } from '../harness/page-cache.ts';
import type { BenchContext, Case, Scenario } from '../harness/scenario.ts';
import { withEmptyDirectory } from '../harness/uploads.ts';
import { sluiceUploads } from '../peers/uploads.ts';

const WAYS: readonly Way[] = [
  { name: 'auto', compression: 'auto' },
  { name: 'plain', compression: 'never' },
  { name: 'gzip 1', compression: 'always' },
];

export const autoCompressionUpload: Scenario = {
  name: 'auto-compression-upload',
  describe: 'one upload through links of four rates, of three kinds of data: auto beside forced codings',
  bars: cellBars(WAYS),
  skipsWarmUp: true,
  async prepare(context) {
    const cells = await prepareCells(context);
    const warmUpPath = join(context.files.directory, await warmUpFile(context));
    return cells.flatMap((cell) => WAYS.map((way) => cellCase(context, cell, way, warmUpPath)));
  },
};

function cellCase({ files }: BenchContext, cell: Cell, way: Way, warmUpPath: string): Case {
  const contender = sluiceUploads('none');
  const path = join(files.directory, cell.file);
  return {
    name: caseName(cell.name, way),
    parameters: parametersOf(cell, way),
    timesARound: timesARound(cell, way),
    measure: () =>
      withEmptyDirectory(files.directory, async (directory) => {
        cacheFile(path);
        const server = await contender.start(directory);
        const warmUp = { warmUpPath, warmUpSeconds: warmUpSeconds(cell), warmUpTarget: server.target };
        const plan = { path, ...warmUp, connections: 0 };
        return await behindLink(server, cell.mibPerSec, async (far) =>
          toMetrics(await contender.upload(far, { ...plan, compression: way.compression, verified: true })),
        );
      }),
  };
}
