/** A process that writes pack after pack, by threads, and says each that is acknowledged; started to be killed. */
import { writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { silentLogger } from '../../../src/base/logger.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { openLocalStore } from '../../../src/storage/local/local-store.ts';
import type { SyncPolicy } from '../../../src/storage/local/uploads/options.ts';
import { LAX_OPTIONS } from '../../storage/local/uploads/scratch-uploads.ts';
import { KIB } from '../test-server.ts';
import { packOf } from './kill-pack.ts';

/** Packs at the same time: commits are shared. */
const LANES = 3;

const [, , root = '', first = '0', sync = 'batched'] = process.argv;
let next = Number(first);

const engine = new Engine({
  threads: 2,
  niceness: 0,
  slabBytes: 64 * KIB,
  slabCount: 12,
  jobsInFlight: 3,
  firstMessageBytes: 4 * KIB,
  gzipLevel: 1,
  maxGzipLevel: 6,
  logger: silentLogger,
});
await engine.start();
const uploads = await (await openLocalStore(root)).openUploads({ ...LAX_OPTIONS, sync: sync as SyncPolicy });
await Promise.all(Array.from({ length: LANES }, writePacks));

async function writePacks(): Promise<never> {
  for (;;) {
    const number = next++;
    const pack = packOf(number);
    const bytes = Buffer.concat(pack.map(({ content }) => content));
    const jobs = engine.writePack({ bytes, codec: 'identity', rawBytes: bytes.length, crc32: crc32(bytes) });
    const condition = { kind: 'any' } as const;
    const files = pack.map(({ name, content }) => ({ name, size: content.length, condition }));
    const outcomes = await uploads.writePack(files, jobs);
    jobs.close();
    for (const outcome of outcomes) if (outcome instanceof Error) throw outcome;
    writeSync(1, `${number}\n`);
  }
}
