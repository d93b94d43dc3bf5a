/** sluice before a bucket whose store takes its time. */
import { type Contender, driverContender, type Server, startServer } from '../harness/contender.ts';
import { compiledPath } from '../harness/paths.ts';
import { startSluice } from './sluice.ts';

/** Nobody checks them. */
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' };

/** @param latencyMs of each request to the store */
export function bucketContender(latencyMs: number, flags: readonly string[]): Contender {
  return driverContender(
    'sluice',
    (directory) => start(directory, latencyMs, flags),
    'sluice-driver',
    'tuned',
  );
}

async function start(directory: string, latencyMs: number, flags: readonly string[]): Promise<Server> {
  const program = compiledPath('bench/peers/late-bucket.js');
  const bucket = await startServer('bucket', process.execPath, [program, directory, `${latencyMs}`]);
  const store = [`--s3-endpoint=http://${bucket.target}`, '--s3-path-style'];
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
