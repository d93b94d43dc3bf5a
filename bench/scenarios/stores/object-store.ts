/**
 * A server in front of an object store beside the SDK of AWS that uses the store
 * directly, with as many requests of the same size under way. What the server
 * holds for many streams is compared with what it holds on a directory.
 */
import { join } from 'node:path';
import { GIB, MIB } from '../../../src/base/units.ts';
import type { S3Report } from '../../drivers/protocol.ts';
import { atLeast, atMost, ratioOf } from '../../harness/bar.ts';
import { measureCommands } from '../../harness/commands.ts';
import { driverContender, type Server } from '../../harness/contender.ts';
import { type Metrics, toMetrics } from '../../harness/metrics.ts';
import { type BenchContext, type Case, loadCase, type Scenario } from '../../harness/scenario.ts';
import { driverUploads, withEmptyDirectory } from '../../harness/uploads.ts';
import { ObjectStore, withoutObjectStore } from '../../peers/object-store.ts';
import { sluice } from '../../peers/sluice.ts';
import { sluiceTrees } from '../../peers/trees.ts';

const IN_FLIGHT = 4;
const RANGE_BYTES = 4 * MIB;

/** Reads of ranges as large as a distant store wants them, see docs/object-store.md. */
const READ_FLAGS = [`--slab-size=${RANGE_BYTES}`, `--stream-jobs-in-flight=${IN_FLIGHT}`];

const UPLOAD_BYTES = 256 * MIB;
/** As large as those of sluice. */
const PART_BYTES = 8 * MIB;

const TREE_FILES = 10_000;
const TREE_PER_DIRECTORY = 1000;
const TREE_FILE_BYTES = 4096;
const TREE_IN_FLIGHT = 32;

const STREAMS = 64;

const OBJECT = 'large.bin';
const WARM_UP_BYTES = 256 * MIB;

let store: ObjectStore | undefined;

export const objectStore: Scenario = {
  name: 'object-store',
  describe: `a server in front of Ceph beside the AWS SDK on it: a download of 1 GiB by ranges of ${RANGE_BYTES / MIB} MiB, ${IN_FLIGHT} in flight, an upload of ${UPLOAD_BYTES / MIB} MiB by parts of ${PART_BYTES / MIB} MiB, ${IN_FLIGHT} in flight, and ${TREE_FILES} objects of 4 KiB to files, ${TREE_IN_FLIGHT} in flight; ${STREAMS} streams from it and from a directory`,
  bars: [
    atLeast(0.85, ratioOf('rateMibPerSec', 'download, sluice', 'download, SDK')),
    atLeast(0.85, ratioOf('rateMibPerSec', 'upload, sluice', 'upload, SDK')),
    atLeast(0.85, ratioOf('seconds', 'tree, SDK', 'tree, sluice')),
    atMost(
      1.2,
      ratioOf('serverPeakRssMib', `${STREAMS} streams, object store`, `${STREAMS} streams, directory`),
    ),
  ],
  unavailable: withoutObjectStore,
  async prepare(context) {
    const { files, quick } = context;
    const [size, treeFiles] = quick ? [GIB / 2, TREE_FILES / 10] : [GIB, TREE_FILES];
    const file = await files.random(size);
    const tree = await files.tree(treeFiles, TREE_PER_DIRECTORY, TREE_FILE_BYTES);
    store = await ObjectStore.start();
    await store.putFile(OBJECT, join(files.directory, file));
    await store.putTree(tree, join(files.directory, tree));
    return [
      ...downloadCases(context, store, size),
      ...(await uploadCases(context, store)),
      ...treeCases(context, store, tree),
      ...memoryCases(context, store, file),
    ];
  },
  async cleanUp() {
    await store?.stop();
    store = undefined;
  },
};

/** As sluice in front of the bucket, whatever directory is named. */
function sluiceOn(store: ObjectStore, flags: readonly string[]) {
  return driverContender('sluice', () => store.serve(flags), 'sluice-driver', 'tuned');
}

function sdkCase(name: string, measure: () => Promise<S3Report>): Case {
  return { name, measure: async () => sdkMetrics(await measure()) };
}

function sdkMetrics({ bytes, seconds, clientCpuSeconds, clientPeakRssBytes }: S3Report): Metrics {
  return {
    rateMibPerSec: bytes / MIB / seconds,
    clientCpuSecPerGib: clientCpuSeconds / (bytes / GIB),
    clientPeakRssMib: clientPeakRssBytes / MIB,
  };
}

function downloadCases(context: BenchContext, store: ObjectStore, size: number): Case[] {
  const warmUpStart = size - WARM_UP_BYTES;
  const plan = { file: OBJECT, warmUpStart };
  const read = { kind: 'read', key: OBJECT, partBytes: RANGE_BYTES, warmUpStart } as const;
  return [
    sdkCase('download, SDK', () => store.bySdk(IN_FLIGHT, read)),
    loadCase('download, sluice', sluiceOn(store, READ_FLAGS), context, plan),
  ];
}

async function uploadCases({ files }: BenchContext, store: ObjectStore): Promise<Case[]> {
  const path = join(files.directory, await files.random(UPLOAD_BYTES));
  const warmUpPath = path;
  const write = { kind: 'write', key: 'sent-by-sdk', partBytes: PART_BYTES, path, warmUpPath } as const;
  const start = () => store.serve(['--writable']);
  const uploads = driverUploads('sluice', start, 'sluice-upload-driver', 'tuned');
  return [
    sdkCase('upload, SDK', () => store.bySdk(IN_FLIGHT, write)),
    {
      name: 'upload, sluice',
      measure: () =>
        served(start, async (server) => toMetrics(await uploads.upload(server, { path, warmUpPath }))),
    },
  ];
}

/** Commands as people run them, start of the process included; the server has fetched the tree before. */
function treeCases({ files }: BenchContext, store: ObjectStore, tree: string): Case[] {
  const serve = () => store.serve([`--s3-requests=${TREE_IN_FLIGHT}`]);
  return [
    {
      name: 'tree, SDK',
      measure: () =>
        withEmptyDirectory(files.directory, async (empty) => {
          const work = { kind: 'tree', prefix: `${tree}/`, to: join(empty, 'tree') } as const;
          const command = store.commandOfSdk(TREE_IN_FLIGHT, work);
          const { seconds, clientCpuSeconds, clientPeakRssMib } = await measureCommands([command], process);
          return { seconds, clientCpuSeconds, clientPeakRssMib } as Metrics;
        }),
    },
    {
      name: 'tree, sluice',
      measure: () =>
        withEmptyDirectory(files.directory, (empty) =>
          served(serve, async (server) => {
            const get = (to: string) => sluiceTrees.get(server.target, tree, join(empty, to));
            await measureCommands(get('warm-up'), server);
            return await measureCommands(get('tree'), server);
          }),
        ),
    },
  ];
}

function memoryCases(context: BenchContext, store: ObjectStore, file: string): Case[] {
  const plan = { streams: STREAMS, seconds: context.quick ? 5 : 15 };
  return [
    loadCase(`${STREAMS} streams, directory`, sluice, context, { ...plan, file }),
    loadCase(`${STREAMS} streams, object store`, sluiceOn(store, []), context, { ...plan, file: OBJECT }),
  ];
}

async function served<T>(start: () => Promise<Server>, work: (server: Server) => Promise<T>): Promise<T> {
  const server = await start();
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}
