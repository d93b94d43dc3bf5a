/** Downloads and uploads over distance: how much of a link windows can fill, at once and after a while. */
import { join } from 'node:path';
import { GIB, MIB } from '../../src/base/units.ts';
import { atLeast, figureOf, ratioOf } from '../harness/bar.ts';
import type { Contender } from '../harness/contender.ts';
import { fromAfar, plainTcp } from '../harness/far.ts';
import { toMetrics } from '../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../harness/scenario.ts';
import { type UploadContender, type UploadPlan, withEmptyDirectory } from '../harness/uploads.ts';
import { sluice } from '../peers/sluice.ts';
import { stockTuned } from '../peers/stock.ts';
import { sluiceUploads, stockUploads } from '../peers/uploads.ts';

const SIZE_BYTES = 100 * MIB;
const LARGE_BYTES = GIB;

/** Over the connection that is measured, or over another one, so that only the connection is cold. */
const WARM_UP_READS = 3;

/**
 * As the reads. A server that took 2 GiB spends 1.8 CPU s/GiB on the next ones; after less V8 still compiles, and it
 * is 2.5. Each replaces the one before, whose memory is the next one's: in a virtual machine new memory costs several
 * times as much.
 */
const WARM_UP_UPLOADS = 8;
const WARM_UP_BYTES = 256 * MIB;

/** The stock server has no window but that of HTTP/2, 64 KiB: all of the above would take it minutes. */
const STOCK_UPLOAD_BYTES = 8 * MIB;
const STOCK_WARM_UP_BYTES = MIB;

const ROUND_TRIPS_MS = [16, 64];

/** MiB/s: a fixed window of 64 MiB reached 585 and 320. */
const WARM_BARS = [450, 280];
const COLD_BARS = [300, 120];

type Temperature = 'warm' | 'cold';

const describeCase = (contender: string, temperature: Temperature, roundTripMs: number) =>
  `${contender}, ${temperature}, ${roundTripMs} ms`;

export const latencyDownload: Scenario = {
  name: 'latency',
  describe: 'a download of 100 MiB at 16 and 64 ms round trip; on a connection in use, and on a new one',
  bars: barsFor('sluice'),
  async prepare(context) {
    const file = await context.files.random(SIZE_BYTES);
    return ROUND_TRIPS_MS.flatMap((roundTripMs) => [
      plainCase(roundTripMs),
      downloadCase(sluice, 'warm', roundTripMs, context, file),
      downloadCase(sluice, 'cold', roundTripMs, context, file),
      downloadCase(stockTuned, 'warm', roundTripMs, context, file),
      ...context.extraPeers.map((peer) => downloadCase(peer, 'warm', roundTripMs, context, file)),
    ]);
  },
};

export const latencyUpload: Scenario = {
  name: 'latency-upload',
  describe: 'an upload of 100 MiB at 16 and 64 ms round trip, left to the page cache; as the downloads',
  bars: barsFor('sluice'),
  async prepare(context) {
    const { files } = context;
    const plan = {
      path: join(files.directory, await files.random(SIZE_BYTES)),
      warmUpPath: join(files.directory, await files.random(WARM_UP_BYTES)),
      warmUpTimes: WARM_UP_UPLOADS,
    };
    const small = {
      path: join(files.directory, await files.random(STOCK_UPLOAD_BYTES)),
      warmUpPath: join(files.directory, await files.random(STOCK_WARM_UP_BYTES)),
    };
    const own = sluiceUploads('none');
    return ROUND_TRIPS_MS.flatMap((roundTripMs) => [
      plainCase(roundTripMs),
      uploadCase('sluice', own, 'warm', roundTripMs, context, { ...plan, connections: 0 }),
      uploadCase('sluice', own, 'cold', roundTripMs, context, { ...plan, connections: 0 }),
      uploadCase('sluice, one connection', own, 'warm', roundTripMs, context, plan),
      uploadCase('stock tuned', stockUploads('tuned'), 'warm', roundTripMs, context, small),
    ]);
  },
};

export const latencyLarge: Scenario = {
  name: 'latency-large',
  describe: '1 GiB each way through the link at 0 and 16 ms round trip, on a connection in use',
  bars: [
    atLeast(0.8, ratioOf('rateMibPerSec', 'download, warm, 16 ms', 'download, warm, 0 ms')),
    atLeast(0.8, ratioOf('rateMibPerSec', 'upload, warm, 16 ms', 'upload, warm, 0 ms')),
  ],
  async prepare(context) {
    const { files } = context;
    const file = await files.random(LARGE_BYTES);
    const warmUpPath = join(files.directory, await files.random(WARM_UP_BYTES));
    const paths = { path: join(files.directory, file), warmUpPath, warmUpTimes: WARM_UP_UPLOADS };
    const download = { ...sluice, name: 'download' };
    return [0, 16].flatMap((roundTripMs) => [
      plainCase(roundTripMs, LARGE_BYTES),
      downloadCase(download, 'warm', roundTripMs, context, file),
      uploadCase('upload', sluiceUploads('none'), 'warm', roundTripMs, context, { ...paths, connections: 0 }),
    ]);
  },
};

function barsFor(contender: string) {
  return ROUND_TRIPS_MS.flatMap((roundTripMs, index) => [
    atLeast(WARM_BARS[index] as number, rateOf(describeCase(contender, 'warm', roundTripMs))),
    atLeast(COLD_BARS[index] as number, rateOf(describeCase(contender, 'cold', roundTripMs))),
  ]);
}

function rateOf(name: string) {
  return figureOf('rateMibPerSec', name);
}

function plainCase(roundTripMs: number, bytes = SIZE_BYTES): Case {
  return {
    name: `plain TCP by Node, ${roundTripMs} ms`,
    parameters: { contender: 'plain TCP by Node', roundTripMs },
    measure: () => plainTcp(roundTripMs, bytes),
  };
}

function downloadCase(
  contender: Contender,
  temperature: Temperature,
  roundTripMs: number,
  context: BenchContext,
  file: string,
): Case {
  return {
    name: describeCase(contender.name, temperature, roundTripMs),
    parameters: { contender: `${contender.name}, ${temperature}`, roundTripMs },
    measure: () =>
      withServer(contender, context, (server) =>
        fromAfar(server, roundTripMs, async (far) => {
          const elsewhere = temperature === 'cold' ? { target: server.target } : {};
          const warmUp = { reads: WARM_UP_READS, ...elsewhere };
          return toMetrics(await contender.load(far, { file, warmUp }));
        }),
      ),
  };
}

function uploadCase(
  name: string,
  contender: UploadContender,
  temperature: Temperature,
  roundTripMs: number,
  context: BenchContext,
  plan: UploadPlan,
): Case {
  return {
    name: describeCase(name, temperature, roundTripMs),
    parameters: { contender: `${name}, ${temperature}`, roundTripMs },
    measure: () =>
      withEmptyDirectory(context.files.directory, async (directory) => {
        const server = await contender.start(directory);
        try {
          return await fromAfar(server, roundTripMs, async (far) => {
            const warmUpTarget = temperature === 'cold' ? { warmUpTarget: server.target } : {};
            return toMetrics(await contender.upload(far, { ...plan, ...warmUpTarget }));
          });
        } finally {
          await server.stop();
        }
      }),
  };
}
