/**
 * Asks whether the windows of live sessions can be changed on this Node version
 * with this grpc-js: over a real connection, through the calls of both sides.
 */
import { once } from 'node:events';
import type { Http2Session, Http2Stream } from 'node:http2';
import type { handleServerStreamingCall } from '@grpc/grpc-js';
import { MIB } from '../../base/units.ts';
import { clientStreamOf, serverStreamOf, watchClientStreams } from '../calls/call-stream.ts';
import { ReceiveWindows } from '../windows/receive-windows.ts';
import { WindowBudget } from '../windows/window-budget.ts';
import { passThrough, selfTest } from './self-test-server.ts';

const PATH = '/sluice.SelfTest/Windows';
const USER_AGENT = 'sluice-self-test';
/** Differs from the default window, so that a change shows. */
const WINDOW_BYTES = MIB;

/** True when windows of this side can follow the link here. Never throws; takes a few milliseconds. */
export async function windowsWork(side: 'client' | 'server'): Promise<boolean> {
  const budget = new WindowBudget(WINDOW_BYTES);
  const windows = new ReceiveWindows({ startBytes: WINDOW_BYTES, maxBytes: WINDOW_BYTES, budget });
  let result: Promise<boolean> | undefined;
  const follow = (stream: Http2Stream | undefined) => {
    result ??= changes(windows, stream);
    result.catch(() => {});
  };
  const handle: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    if (side === 'server') follow(serverStreamOf(call));
    call.write(Buffer.alloc(1));
  };
  const stopWatching = side === 'client' ? watchClientStreams(USER_AGENT, follow) : () => {};
  const method = {
    path: PATH,
    type: 'serverStream',
    handle,
  } as const;
  try {
    return await selfTest(
      method,
      async (client) => {
        const call = client.makeServerStreamRequest(PATH, passThrough, passThrough, Buffer.alloc(0));
        call.on('error', () => {}).resume();
        await once(call, 'metadata');
        if (side === 'client') follow(clientStreamOf(call));
        const isChanged = (await result) ?? false;
        call.cancel();
        return isChanged;
      },
      { 'grpc.primary_user_agent': USER_AGENT },
    );
  } finally {
    stopWatching();
    windows.close();
  }
}

/** Whether the session of a stream gets the window, counts its bytes and can be pinged. */
async function changes(windows: ReceiveWindows, stream: Http2Stream | undefined): Promise<boolean> {
  const session = stream?.session;
  if (stream === undefined || session === undefined) return false;
  windows.follow(stream);
  // The client's first settings may still be in flight.
  while (session.localSettings.initialWindowSize !== WINDOW_BYTES) await once(session, 'localSettings');
  const { effectiveLocalWindowSize } = session.state;
  const isCounting = await answersPing(session);
  return isCounting && effectiveLocalWindowSize === WINDOW_BYTES && session.socket.bytesRead > 0;
}

function answersPing(session: Http2Session): Promise<boolean> {
  return new Promise((resolve) => session.ping((error) => resolve(error === null)));
}
