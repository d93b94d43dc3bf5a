/** What a GiB costs both ends, of each kind of transfer; and how much so many connections move. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { GIB, MIB } from '../../../src/base/units.ts';
import type { DriverReport, UploadRequest } from '../../drivers/protocol.ts';
import {
  completeLoad,
  finishDriver,
  type LoadPlan,
  type Server,
  startDriver,
} from '../../harness/contender.ts';
import { withEmptyDirectory } from '../../harness/uploads.ts';
import { ObjectStore } from '../../peers/object-store.ts';
import type { Point, Transfer, TransferCost } from '../constants.ts';
import { type Bench, servedBy } from './served.ts';

/** The costs are those of so many, the points of fewer and of more. */
const CONNECTIONS = 16;
const SLOW_CONNECTIONS = 128;
const SLOW_BYTES_PER_SEC = MIB;

const POINTS = [1, 64, 256, 1000];
const TLS_POINTS = [1, 64];
const SLOW_POINTS = [16, 64, 256];

const WARM_UP = { reads: 1, seconds: 2 };
/** At a rate, a whole file would take many minutes. */
const COLD = { reads: 0 };

/** Reads of ranges as large as a distant store wants them. */
const BUCKET_FLAGS = ['--slab-size=4MiB', '--stream-jobs-in-flight=4'];
const BUCKET_STREAMS = 4;
const UPLOADS = 4;
const BUCKET_OBJECT = 'large.bin';

type Transfers = Partial<Record<Transfer, TransferCost>>;

/** A load of so many streams, each on a connection of its own. */
async function download(server: Server, bench: Bench, plan: Partial<LoadPlan> & { streams: number }) {
  const load = {
    file: bench.file,
    // Many streams take a while to begin.
    seconds: bench.seconds + plan.streams / 100,
    connections: plan.streams,
    warmUp: WARM_UP,
    ...plan,
  };
  return await finishDriver<DriverReport>(startDriver('sluice-driver', completeLoad(server, load, 'tuned')));
}

/** @param requestsPerByte to the store */
function costOf(report: DriverReport, requestsPerByte = 0): TransferCost {
  const gib = report.bytes / GIB;
  return {
    server: { loopSec: report.serverLoopSeconds / gib, cpuSec: report.serverCpuSeconds / gib },
    client: { loopSec: report.clientLoopSeconds / gib, cpuSec: report.clientCpuSeconds / gib },
    storeRequests: requestsPerByte * GIB,
  };
}

export async function downloads(bench: Bench): Promise<Transfers> {
  const { ca } = bench.tls;
  const streams = CONNECTIONS;
  const measure = async (plan: Parameters<typeof download>[2], tls = false) =>
    costOf(await servedBy(bench, { tls }, (server) => download(server, bench, plan)));
  return {
    download: await measure({ streams }),
    downloadTls: await measure({ streams, ca }, true),
    downloadGzip: await measure({ streams, file: bench.textFile, compression: 'always' }),
    downloadSlow: await measure({
      streams: SLOW_CONNECTIONS,
      streamBytesPerSec: SLOW_BYTES_PER_SEC,
      warmUp: COLD,
    }),
  };
}

export async function uploads(bench: Bench): Promise<Transfers> {
  const measure = (file: string, compression: UploadRequest['compression'], tls = false) =>
    withEmptyDirectory(bench.directory, async (directory) =>
      costOf(
        await servedBy(bench, { directory, tls, flags: ['--writable', '--uploads-min-free=0'] }, (server) =>
          upload(server, bench, { file, compression, ...(tls ? { ca: bench.tls.ca } : {}) }),
        ),
      ),
    );
  return {
    upload: await measure(bench.file, 'never'),
    uploadTls: await measure(bench.file, 'never', true),
    uploadGzip: await measure(bench.textFile, 'always'),
  };
}

async function upload(
  { pid, target }: Server,
  { directory, seconds, textFile }: Bench,
  { file, ...more }: { file: string; compression: UploadRequest['compression']; ca?: string },
): Promise<DriverReport> {
  const path = join(directory, file);
  const request: UploadRequest = {
    target,
    serverPid: pid,
    settings: 'tuned',
    path,
    streams: UPLOADS,
    chunkBytes: 0,
    verified: false,
    warmUpPath: join(directory, textFile),
    seconds,
    ...more,
  };
  return await finishDriver<DriverReport>(startDriver('sluice-upload-driver', request));
}

/** From and to a bucket of a store that counts its requests. */
export async function bucketTransfers(bench: Bench): Promise<Transfers> {
  const store = await ObjectStore.start();
  try {
    await store.putFile(BUCKET_OBJECT, join(bench.directory, bench.file));
    const counted = async (
      flags: readonly string[],
      load: (server: Server) => Promise<DriverReport>,
      warmUpBytes = 0,
    ) => {
      const server = await store.serve(flags);
      try {
        const before = await store.requests();
        const report = await load(server);
        const requests = (await store.requests()) - before;
        return costOf(report, requests / (report.bytes + warmUpBytes));
      } finally {
        await server.stop();
      }
    };
    const warmUpBytes = UPLOADS * statSync(join(bench.directory, bench.textFile)).size;
    const plan = { file: BUCKET_OBJECT, streams: BUCKET_STREAMS, warmUp: COLD };
    return {
      bucketDownload: await counted(BUCKET_FLAGS, (server) => download(server, bench, plan)),
      bucketUpload: await counted(
        ['--writable'],
        (server) => upload(server, bench, { file: bench.file, compression: 'never' }),
        warmUpBytes,
      ),
    };
  } finally {
    await store.stop();
  }
}

/** What the model has to predict: a stream on each connection, as fast as it goes or at a rate. */
export async function transferPoints(bench: Bench): Promise<Point[]> {
  const points: Point[] = [];
  const add = async (load: Point['load'], streams: number, plan: Partial<LoadPlan>, tls = false) => {
    const report = await servedBy(bench, { tls }, (server) => download(server, bench, { ...plan, streams }));
    const { bytes, clientCpuSeconds, seconds, serverCpuSeconds, serverLoopSeconds } = report;
    points.push({
      load,
      connections: streams,
      mibPerSec: bytes / MIB / seconds,
      loopSec: serverLoopSeconds / seconds,
      cpuSec: serverCpuSeconds / seconds,
      clientCpuSec: clientCpuSeconds / seconds,
      rssBytes: report.serverPeakRssBytes,
      descriptors: report.serverDescriptors,
    });
  };
  for (const streams of POINTS) await add('a stream each', streams, {});
  for (const streams of TLS_POINTS) await add('a stream each, TLS', streams, { ca: bench.tls.ca }, true);
  for (const streams of SLOW_POINTS)
    await add('1 MiB/s each', streams, { streamBytesPerSec: SLOW_BYTES_PER_SEC, warmUp: COLD });
  return points;
}
