/**
 * Asks, at start, whether windows of live sessions can be changed on this Node
 * version with this grpc-js, on either side: over a real connection, through
 * the calls of both.
 */
import { once } from 'node:events';
import type { Http2Session } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  credentials,
  type handleServerStreamingCall,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { MIB } from '../base/units.ts';
import { clientStreamOf, serverStreamOf } from './call-stream.ts';
import { ReceiveWindows } from './session-windows.ts';
import { WindowBudget } from './window-budget.ts';

const TEST_TIMEOUT_MS = 3000;
const PATH = '/sluice.SelfTest/Windows';
const WINDOW_BYTES = MIB;

/** True when windows can follow the link here. Never throws; takes a few milliseconds. */
export async function windowsWork(): Promise<boolean> {
  const budget = new WindowBudget(4 * WINDOW_BYTES);
  const windows = new ReceiveWindows({ startBytes: WINDOW_BYTES, maxBytes: WINDOW_BYTES, budget });
  const timeout = new AbortController();
  try {
    const expiry = sleep(TEST_TIMEOUT_MS, false, { signal: timeout.signal });
    expiry.catch(() => {});
    return await Promise.race([bothSidesChange(windows, timeout.signal), expiry]);
  } catch {
    return false;
  } finally {
    timeout.abort();
    windows.close();
  }
}

/** Makes one call, and has each side follow it. Cleans up when the test is over. */
async function bothSidesChange(windows: ReceiveWindows, over: AbortSignal): Promise<boolean> {
  const server = new Server({ 'grpc.enable_channelz': 0 });
  const serverChanged = new Promise<boolean>((resolve) => {
    const handle: handleServerStreamingCall<Buffer, Buffer> = (call) => {
      resolve(changes(windows, serverStreamOf(call)));
      call.write(Buffer.alloc(1));
    };
    server.register(PATH, handle, passThrough, passThrough, 'serverStream');
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket)).listen(0, '127.0.0.1');
  over.addEventListener('abort', () => {
    listener.close();
    server.forceShutdown();
  });
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const options = { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_http_proxy': 0 };
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  const call = client.makeServerStreamRequest(PATH, passThrough, passThrough, Buffer.alloc(0));
  over.addEventListener('abort', () => {
    call.cancel();
    client.close();
  });
  call.on('error', () => {}).resume();
  await once(call, 'metadata');
  const sides = await Promise.all([serverChanged, changes(windows, clientStreamOf(call))]);
  return sides.every((isChanged) => isChanged);
}

/** Whether the session of a stream gets the window, counts its bytes and can be pinged. */
async function changes(windows: ReceiveWindows, stream: ReturnType<typeof clientStreamOf>): Promise<boolean> {
  const session = stream?.session;
  if (stream === undefined || session === undefined) return false;
  const acknowledged = once(session, 'localSettings');
  windows.follow(stream);
  await acknowledged;
  const { effectiveLocalWindowSize } = session.state;
  return (
    session.localSettings.initialWindowSize === WINDOW_BYTES &&
    effectiveLocalWindowSize === WINDOW_BYTES &&
    session.socket.bytesRead > 0 &&
    (await answersPing(session))
  );
}

function answersPing(session: Http2Session): Promise<boolean> {
  return new Promise((resolve) => session.ping((error) => resolve(error === null)));
}

function passThrough(bytes: Buffer): Buffer {
  return bytes;
}
