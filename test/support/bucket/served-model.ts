/** Servers on a bucket of this process. */
import type { TestContext } from 'node:test';
import { SluiceProcess } from '../sluice-process.ts';
import { type Settings, startServer, type TestServer } from '../test-server.ts';
import type { FaultScene } from './bucket-faults.ts';
import { FaultProxy } from './fault-proxy.ts';
import { S3Server } from './s3-server.ts';

const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };

/** A server in this process. Its credentials stay in the environment. */
export async function startBucketServer(t: TestContext, settings: Settings = {}): Promise<TestServer> {
  const { endpoint } = await S3Server.start(t);
  Object.assign(process.env, CREDENTIALS);
  return await startServer(t, { ...settings, s3: { endpoint, pathStyle: true } }, { root: 's3://bucket' });
}

/** The command `serve`, writable, with a proxy before the bucket, once it accepts calls. */
export async function servedModel(t: TestContext, args: readonly string[] = []): Promise<FaultScene> {
  const s3 = await S3Server.start(t);
  const proxy = await FaultProxy.start(t, s3.endpoint);
  const how = ['--listen', '127.0.0.1:0', '--s3-endpoint', proxy.endpoint, '--s3-path-style', '--writable'];
  const server = new SluiceProcess(t, ['serve', 's3://bucket', ...how, ...args], { env: CREDENTIALS });
  const [, address = ''] = await server.says(/^sluice is ready on (\S+),/m);
  return {
    proxy,
    address,
    put: async (key, body) => s3.put(key, body).etag,
    get: async (key) => s3.objects.get(key)?.body,
  };
}
