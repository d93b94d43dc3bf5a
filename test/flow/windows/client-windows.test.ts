import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import {
  Client,
  credentials,
  type handleServerStreamingCall,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
import { MIB } from '../../../src/base/units.ts';
import { ClientWindows } from '../../../src/flow/windows/client-windows.ts';
import { until } from '../../support/until.ts';

const PATH = '/test.Windows/Stream';
const MAX_BYTES = 4 * MIB;
const passThrough = (bytes: Buffer) => bytes;

interface Scene {
  /** Makes a call that lasts, and has it followed. */
  call(path?: string): { cancel(): void };
  warnings: string[];
  logger: Logger;
}

/** A server whose calls never end, and a client of it with windows of `windows`. */
async function sceneOf(t: TestContext, windows: ClientWindows): Promise<Scene> {
  const server = new Server();
  const handle: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    call.write(Buffer.alloc(1));
  };
  server.register(PATH, handle, passThrough, passThrough, 'serverStream');
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    ...windows.channelOptions(MAX_BYTES),
    'grpc.use_local_subchannel_pool': 1,
  });
  t.after(() => {
    client.close();
    listener.close();
    server.forceShutdown();
  });
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) };
  return {
    warnings,
    logger,
    call() {
      const call = client.makeServerStreamRequest(PATH, passThrough, passThrough, Buffer.alloc(0));
      call.on('error', () => {}).resume();
      windows.follow(call, PATH, MAX_BYTES, logger);
      return call;
    },
  };
}

describe('the windows of clients', () => {
  it('follow calls that were there before the test had passed, and later ones at once', async (t) => {
    let tests = 0;
    const windows = new ClientWindows(16 * MIB, async () => {
      tests += 1;
      return true;
    });
    const scene = await sceneOf(t, windows);
    const first = scene.call();
    await until('the first call', () => windows.stats().grantedBytes === MAX_BYTES);
    scene.call();
    first.cancel();
    await until('the same connection', () => windows.stats().sessions === 1);
    assert.deepEqual([tests, scene.warnings], [1, []]);
  });

  it('stay as they are where the test fails, with one warning for each logger', async (t) => {
    const windows = new ClientWindows(16 * MIB, async () => false);
    const scene = await sceneOf(t, windows);
    scene.call();
    await until('a warning', () => scene.warnings.length > 0);
    scene.call();
    const other = await sceneOf(t, windows);
    other.call();
    await until('the warning of another logger', () => other.warnings.length > 0);
    assert.deepEqual([scene.warnings.length, other.warnings.length], [1, 1]);
    assert.equal(windows.stats().sessions, 0);
  });

  it('are not tested for a call that is over at once', async (t) => {
    let tests = 0;
    const windows = new ClientWindows(16 * MIB, async () => {
      tests += 1;
      return true;
    });
    const scene = await sceneOf(t, windows);
    scene.call().cancel();
    scene.call();
    await until('the second call', () => windows.stats().sessions === 1);
    assert.equal(tests, 1);
  });
});
