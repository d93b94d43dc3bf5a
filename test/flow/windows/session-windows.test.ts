import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { type LinkProcess, startLinkProcess } from '../../../link-emulator/link-process.ts';
import { MIN_WINDOW_BYTES } from '../../../src/base/limits.ts';
import { KIB, MIB } from '../../../src/base/units.ts';
import { ReceiveWindows } from '../../../src/flow/windows/receive-windows.ts';
import { WindowBudget } from '../../../src/flow/windows/window-budget.ts';
import { until } from '../../support/until.ts';

const PIECE = Buffer.alloc(64 * KIB);

interface Place {
  link: LinkProcess;
  /** The server's ends of all streams, in the order in which they came. */
  streams: ServerHttp2Stream[];
}

/** A server of `serve` behind a link with a round trip of 16 ms. */
async function startFarServer(t: TestContext, serve: (stream: ServerHttp2Stream) => void): Promise<Place> {
  const streams: ServerHttp2Stream[] = [];
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    streams.push(stream);
    stream.respond({ ':status': 200 });
    serve(stream);
  });
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const link = await startLinkProcess({ target, delayMs: 8 });
  t.after(async () => {
    server.close();
    for (const stream of streams) stream.session?.destroy();
    await link.stop();
  });
  return { link, streams };
}

async function dial(t: TestContext, { link }: Place): Promise<ClientHttp2Session> {
  const session = connect(`http://${link.address}`);
  session.on('error', () => {});
  t.after(() => session.destroy());
  await once(session, 'remoteSettings');
  return session;
}

function request(session: ClientHttp2Session) {
  const stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream: false });
  stream.on('error', () => {});
  return stream;
}

function windowsOf(t: TestContext, maxBytes: number, totalBytes = 16 * maxBytes): ReceiveWindows {
  const budget = new WindowBudget(totalBytes);
  const windows = new ReceiveWindows({ startBytes: MIN_WINDOW_BYTES, maxBytes, budget });
  t.after(() => windows.close());
  return windows;
}

/** Writes as long as the stream lives. */
function pour(stream: { write(piece: Buffer, done: (error?: Error | null) => void): boolean }): void {
  stream.write(PIECE, (error) => {
    if (!error) pour(stream);
  });
}

/** Writes so many bytes, and ends. */
function pourTotal(stream: ServerHttp2Stream, leftBytes: number): void {
  if (leftBytes <= 0) {
    stream.end();
    return;
  }
  stream.write(PIECE, (error) => {
    if (!error) pourTotal(stream, leftBytes - PIECE.length);
  });
}

describe('windows that follow the link', () => {
  it('grow on a client that downloads, up to their limit', async (t) => {
    const place = await startFarServer(t, pour);
    const session = await dial(t, place);
    const windows = windowsOf(t, 2 * MIB);
    const stream = request(session);
    windows.follow(stream);
    stream.resume();
    await until('a window of 2 MiB', () => session.localSettings.initialWindowSize === 2 * MIB);
    await until('as much for the connection', () => session.state.effectiveLocalWindowSize === 2 * MIB);
    assert.deepEqual(windows.stats(), {
      sessions: 1,
      grantedBytes: 2 * MIB,
      largestWindowBytes: 2 * MIB,
    });
  });

  it('grow on a server that takes uploads', async (t) => {
    const windows = windowsOf(t, 2 * MIB);
    const place = await startFarServer(t, (stream) => {
      windows.follow(stream);
      stream.resume();
    });
    const session = await dial(t, place);
    pour(request(session));
    await until(
      'a window of 2 MiB at the sender',
      () => session.remoteSettings.initialWindowSize === 2 * MIB,
    );
  });

  it('leave a neighbour of stalled streams its share, and the stalled ones no more than theirs', async (t) => {
    const stalledStreams = 7;
    const place = await startFarServer(t, pour);
    const session = await dial(t, place);
    const windows = windowsOf(t, MIB);
    const healthy = request(session);
    windows.follow(healthy);
    let receivedBytes = 0;
    healthy.on('data', (piece: Buffer) => {
      receivedBytes += piece.length;
    });
    await until('a large window', () => session.localSettings.initialWindowSize === MIB);
    for (let i = 0; i < stalledStreams; i += 1) windows.follow(request(session).pause());
    await until('a share for each', () => session.localSettings.initialWindowSize === MIB / 8);
    const before = receivedBytes;
    await until('the bytes of the healthy one', () => receivedBytes - before > 8 * MIB);
    const { downBytes } = await place.link.stats();
    // One stalled stream may have had the whole window before the others came.
    assert.ok(downBytes - receivedBytes < 4 * MIB, `${downBytes - receivedBytes} bytes are held`);
  });

  it('shrink while bytes flow when others need the budget, and no byte is lost', async (t) => {
    const total = 160 * MIB;
    const place = await startFarServer(t, (stream) => pourTotal(stream, total));
    const [first, second] = [await dial(t, place), await dial(t, place)];
    const windows = windowsOf(t, 2 * MIB, 2 * MIB);
    const download = request(first);
    const isOver = once(download, 'close');
    windows.follow(download);
    let receivedBytes = 0;
    download.on('data', (piece: Buffer) => {
      receivedBytes += piece.length;
    });
    await until('the whole budget', () => first.localSettings.initialWindowSize === 2 * MIB);
    const other = request(second);
    windows.follow(other);
    other.resume();
    await until('less of it', () => (first.localSettings.initialWindowSize ?? 0) <= 1.5 * MIB);
    await isOver;
    assert.equal(receivedBytes, total);
    assert.ok(windows.stats().grantedBytes <= 2 * MIB);
  });

  it('hold no more than the budget, whoever stops reading after whoever', async (t) => {
    const sessionCount = 12;
    const budgetBytes = 4 * MIB;
    const place = await startFarServer(t, pour);
    const windows = windowsOf(t, budgetBytes, budgetBytes);
    const streams: ClientHttp2Stream[] = [];
    for (let i = 0; i < sessionCount; i += 1) {
      const session = await dial(t, place);
      const stream = request(session);
      windows.follow(stream);
      let receivedBytes = 0;
      stream.on('data', (piece: Buffer) => {
        receivedBytes += piece.length;
      });
      // The first one gets all there is before it stops; the next ones get enough to grow, if anything were left.
      const enoughBytes = i === 0 ? 16 * MIB : i < 3 ? 2 * MIB : KIB;
      await until('bytes', () => receivedBytes > enoughBytes);
      stream.pause();
      const window = () => session.localSettings.initialWindowSize ?? 0;
      await until('a full window', () => stream.readableLength > window() / 2 - 32 * KIB);
      streams.push(stream);
    }
    const heldBytes = streams.reduce((sum, { readableLength }) => sum + readableLength, 0);
    const mostBytes = budgetBytes + 2 * sessionCount * MIN_WINDOW_BYTES;
    assert.ok(heldBytes <= mostBytes, `${heldBytes} bytes of ${mostBytes}`);
  });

  it('are given back when a session ends', async (t) => {
    const place = await startFarServer(t, pour);
    const session = await dial(t, place);
    const windows = windowsOf(t, MIB);
    const stream = request(session);
    windows.follow(stream);
    stream.resume();
    assert.equal(windows.stats().sessions, 1);
    await place.link.cut();
    await until('the end of the session', () => windows.stats().sessions === 0);
    assert.equal(windows.stats().grantedBytes, 0);
  });

  it('ignore a stream that is gone already', async (t) => {
    const place = await startFarServer(t, pour);
    const session = await dial(t, place);
    const windows = windowsOf(t, MIB);
    const stream = request(session);
    stream.close();
    await once(stream, 'close');
    windows.follow(stream);
    assert.equal(windows.stats().sessions, 0);
  });
});
