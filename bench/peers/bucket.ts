/** sluice before a bucket whose store takes its time. */
import { type Contender, driverContender, type Server, startServer } from '../harness/contender.ts';
import { compiledPath } from '../harness/paths.ts';
import { startSluice } from './sluice.ts';

/** Nobody checks them. */
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' };

interface BucketOptions {
  /** Of each request to the store. */
  readonly latencyMs: number;
  /** Of each 100th read, where that takes longer. */
  readonly lateMs?: number;
  /** As `s3.hedge`. */
  readonly hedge?: boolean;
  /** Of the server. */
  readonly flags?: readonly string[];
}

export function bucketContender(options: BucketOptions): Contender {
  return driverContender('sluice', (directory) => start(directory, options), 'sluice-driver', 'tuned');
}

async function start(directory: string, options: BucketOptions): Promise<Server> {
  const { flags = [], hedge = true, latencyMs, lateMs = latencyMs } = options;
  const program = compiledPath('bench/peers/late-bucket.js');
  const args = [program, directory, `${latencyMs}`, `${lateMs}`];
  const bucket = await startServer('bucket', process.execPath, args);
  const store = [
    `--s3-endpoint=http://${bucket.target}`,
    '--s3-path-style',
    ...(hedge ? [] : ['--no-s3-hedge']),
  ];
  // The environment may have those of another store.
  Object.assign(process.env, { ...CREDENTIALS, ...process.env });
  try {
    const server = await startSluice('s3://bench', [...flags, ...store]);
    return {
      ...server,
      stop: async () => {
        await server.stop();
        await bucket.stop();
      },
    };
  } catch (reason) {
    await bucket.stop();
    throw reason;
  }
}
