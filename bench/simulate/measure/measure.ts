/** `npm run simulate -- measure`: the constants of the model, and points to check it against. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { GIB, KIB, MIB } from '../../../src/base/units.ts';
import { describeMachine } from '../../harness/report.ts';
import { TestFiles } from '../../harness/test-files.ts';
import { withoutObjectStore } from '../../peers/object-store.ts';
import { overTls } from '../../peers/operated.ts';
import type { Measured } from '../constants.ts';
import { idlePoints, measureCall, measureConnections, measurePing, measureWaiting } from './connections.ts';
import type { Bench } from './served.ts';
import { bucketTransfers, downloads, transferPoints, uploads } from './transfers.ts';

const SECONDS = 4;
const CHUNK_BYTES = 256 * KIB;
const TEXT_BYTES = 64 * MIB;

/** @param say told of each step before it begins */
export async function measure(say: (step: string) => void): Promise<Measured> {
  const machine = describeMachine();
  const files = new TestFiles(process.env.BENCH_DIR);
  process.once('exit', () => files.close());
  const { flags, ca, remove } = overTls();
  try {
    say('files');
    const bench: Bench = {
      directory: files.directory,
      file: await files.random(GIB),
      textFile: await files.text(TEXT_BYTES),
      tls: { flags, ca },
      seconds: SECONDS,
    };
    return await measureWith(bench, machine, say);
  } finally {
    remove();
  }
}

async function measureWith(
  bench: Bench,
  machine: Measured['machine'],
  say: (step: string) => void,
): Promise<Measured> {
  say('connections');
  const { connection, connectionBytes, descriptorsPerConnection } = await measureConnections(bench, false);
  const withTls = await measureConnections(bench, true);
  const single = {
    ...(await measureCall(bench)),
    ...(await measurePing(bench)),
    ...(await measureWaiting(bench)),
  };
  say('downloads and uploads');
  const ofDirectory = { ...(await downloads(bench)), ...(await uploads(bench)) };
  const withoutStore = withoutObjectStore();
  say(withoutStore === undefined ? 'a bucket' : `no bucket: ${withoutStore}`);
  const ofBucket = withoutStore === undefined ? await bucketTransfers(bench) : {};
  say('points to check the model against');
  return {
    date: new Date().toISOString(),
    machine,
    transfers: { ...ofDirectory, ...ofBucket },
    connection,
    connectionBytes,
    descriptorsPerConnection,
    connectionTls: withTls.connection,
    connectionTlsBytes: withTls.connectionBytes,
    ...single,
    gzipShare: gzipShareOf(join(bench.directory, bench.textFile)),
    points: [
      ...(await idlePoints(bench, false)),
      ...(await idlePoints(bench, true)),
      ...(await transferPoints(bench)),
    ],
  };
}

/** What chunks of the file become. */
function gzipShareOf(path: string): number {
  const text = readFileSync(path);
  let bytes = 0;
  for (let at = 0; at < text.length; at += CHUNK_BYTES) {
    bytes += gzipSync(text.subarray(at, at + CHUNK_BYTES), { level: 1 }).length;
  }
  return bytes / text.length;
}
