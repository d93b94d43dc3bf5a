import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Link, type LinkOptions, startLink } from '../../link-emulator/link.ts';
import { startLinkProcess } from '../../link-emulator/link-process.ts';
import { errnoOf } from '../../src/base/errors.ts';
import { MIB } from '../../src/base/units.ts';
import { until } from '../support/until.ts';

/** A server that gives each connection to `serve`. Resolves to where it listens. */
async function startTarget(t: TestContext, serve: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

async function linkTo(t: TestContext, serve: (socket: Socket) => void, options: Omit<LinkOptions, 'target'>) {
  const link = await startLink({ ...options, target: await startTarget(t, serve) });
  t.after(() => link.close());
  return link;
}

function dial(t: TestContext, link: { port: number }): Socket {
  const socket = connect({ port: link.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  return socket;
}

const echo = (socket: Socket) => void socket.pipe(socket);

/** Says at the end of what comes how much it was. */
function count(socket: Socket): void {
  let bytes = 0;
  socket.on('data', (piece) => {
    bytes += piece.length;
  });
  socket.on('end', () => socket.end(`${bytes} bytes`));
}

/** All bytes until the connection ends or breaks. */
async function everything(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece) => pieces.push(piece));
  if (!socket.closed) await once(socket, 'close').catch(() => {});
  return Buffer.concat(pieces);
}

describe('the link emulator', () => {
  it('carries bytes both ways unchanged, with jitter and a rate', async (t) => {
    const link = await linkTo(t, echo, { delayMs: 2, jitterMs: 5, rateBytesPerSec: 200 * MIB });
    const sent = randomBytes(8 * MIB);
    const socket = dial(t, link);
    socket.end(sent);
    const received = await buffer(socket);
    assert.ok(received.equals(sent));
  });

  it('passes a half-close on, and the other half stays open', async (t) => {
    const link = await linkTo(t, count, { delayMs: 1 });
    const socket = dial(t, link);
    socket.end(Buffer.alloc(100_000));
    assert.equal((await buffer(socket)).toString(), '100000 bytes');
  });

  it('breaks a connection when exactly the named byte has come down it', async (t) => {
    const sent = randomBytes(MIB);
    const link = await linkTo(t, (socket) => void socket.write(sent), {
      faults: [{ kind: 'cut', direction: 'down', atByte: 700_001 }],
    });
    const socket = dial(t, link);
    const received = await everything(socket);
    assert.ok(received.equals(sent.subarray(0, 700_001)), `${received.length} bytes`);
    assert.equal(codeOf(socket), 'ECONNRESET');
  });

  it('breaks the server side too when a fault cuts the client side', async (t) => {
    let broken: Promise<Buffer> | undefined;
    const link = await linkTo(
      t,
      (socket) => {
        broken = everything(socket);
      },
      {},
    );
    link.failNext({ kind: 'cut', direction: 'up', atByte: 10 });
    dial(t, link).write(Buffer.alloc(100));
    await until('a connection', () => broken !== undefined);
    assert.equal((await broken)?.length, 10);
  });

  it('lets the connection after a cut one through', async (t) => {
    const link = await linkTo(t, echo, {});
    link.failNext({ kind: 'cut', direction: 'up', atByte: 0 });
    const first = dial(t, link);
    first.write('x');
    await everything(first);
    const second = dial(t, link);
    second.end('hello');
    assert.equal((await buffer(second)).toString(), 'hello');
  });

  it('ends one direction at the named byte, and the other goes on', async (t) => {
    const link = await linkTo(t, count, { faults: [{ kind: 'end', direction: 'up', atByte: 700_001 }] });
    const socket = dial(t, link);
    socket.write(Buffer.alloc(MIB));
    assert.equal((await buffer(socket)).toString(), '700001 bytes');
  });

  it('stalls at the named byte, keeps the connection, and goes on when told to', async (t) => {
    const link = await linkTo(t, (socket) => void socket.end(Buffer.alloc(50_000)), {});
    link.failNext({ kind: 'stall', direction: 'down', atByte: 20_000 });
    const socket = dial(t, link);
    let received = 0;
    socket.on('data', (piece) => {
      received += piece.length;
    });
    await until('the bytes before the stall', () => received === 20_000);
    assert.equal(link.stats().connections, 1);
    assert.equal(link.stats().downBytes, 20_000);
    socket.end();
    link.go();
    await once(socket, 'close');
    assert.equal(received, 50_000);
  });

  it('does not read on from a source whose bytes nobody takes', async (t) => {
    const pour = (socket: Socket) => void socket.write(Buffer.alloc(16 * MIB));
    const queueBytes = 256 * 1024;
    const link = await linkTo(t, pour, { queueBytes });
    link.stall('down');
    dial(t, link);
    await until('a full queue', () => link.stats().waitingBytes >= queueBytes);
    for (let turn = 0; turn < 100; turn += 1) await setImmediate();
    const { waitingBytes } = link.stats();
    assert.ok(waitingBytes < queueBytes + MIB, `${waitingBytes} bytes wait`);
  });

  it('resets the client when nothing listens at the target', async (t) => {
    const target = await startTarget(t, () => {});
    const link = await startLink({ target: { ...target, port: 1 } });
    t.after(() => link.close());
    const socket = dial(t, link);
    await everything(socket);
    assert.equal(codeOf(socket), 'ECONNRESET');
  });

  it('passes a reset on', async (t) => {
    const link = await linkTo(t, (socket) => void socket.once('data', () => socket.resetAndDestroy()), {});
    const socket = dial(t, link);
    socket.write('x');
    await everything(socket);
    assert.equal(codeOf(socket), 'ECONNRESET');
    await until('the end of the connection', () => link.stats().connections === 0);
  });

  it('cuts all connections there are', async (t) => {
    const link: Link = await linkTo(t, echo, {});
    const sockets = [dial(t, link), dial(t, link)];
    await until('two connections', () => link.stats().connections === 2);
    link.cut();
    await Promise.all(sockets.map((socket) => everything(socket)));
    assert.equal(link.stats().connections, 0);
  });
});

describe('the link emulator in a process of its own', () => {
  it('does what the one in this process does', async (t) => {
    const sent = randomBytes(4 * MIB);
    const target = await startTarget(t, (socket) => void socket.end(sent));
    const link = await startLinkProcess({ target, delayMs: 1, rateBytesPerSec: { down: 400 * MIB } });
    t.after(() => link.stop());
    await link.failNext({ kind: 'cut', direction: 'down', atByte: 1_000_000 });
    const cut = dial(t, link);
    assert.equal((await everything(cut)).length, 1_000_000);
    await link.change({
      delayMs: { up: 0, down: 2 },
      jitterMs: 1,
      rateBytesPerSec: Number.POSITIVE_INFINITY,
    });
    const whole = dial(t, link);
    const received = await buffer(whole);
    assert.equal(digest(received), digest(sent));
    assert.equal((await link.stats()).downBytes, 1_000_000 + sent.length);
  });

  it('stalls, goes on and cuts', async (t) => {
    const target = await startTarget(t, echo);
    const link = await startLinkProcess({ target, isWarm: true });
    assert.deepEqual((await link.stats()).upBytes, 0, 'its own bytes do not count');
    t.after(() => link.stop());
    const socket = dial(t, link);
    await link.stall();
    socket.write('held back');
    let received = '';
    socket.on('data', (piece) => {
      received += piece.toString();
    });
    await until('the write', () => socket.bytesWritten > 0);
    assert.equal((await link.stats()).upBytes, 0);
    await link.go();
    await until('the bytes that were held back', () => received === 'held back');
    await link.cut();
    await everything(socket);
    assert.equal((await link.stats()).connections, 0);
  });

  it('takes each connection to the next of several targets', async (t) => {
    const [one, other] = [
      await startTarget(t, (socket) => void socket.end('one')),
      await startTarget(t, (socket) => void socket.end('other')),
    ];
    const link = await startLinkProcess({ target: [one, other] });
    t.after(() => link.stop());
    const said: string[] = [];
    for (let times = 0; times < 3; times += 1) said.push((await buffer(dial(t, link))).toString());
    assert.deepEqual(said, ['one', 'other', 'one']);
  });

  it('says what it does not understand', async (t) => {
    const link = await startLinkProcess({ target: await startTarget(t, echo) });
    t.after(() => link.stop());
    await assert.rejects(link.change({ delayMs: -3 }), /"-3ms" is not a duration/);
  });
});

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Why it broke. */
function codeOf({ errored }: Socket): string | undefined {
  return errored === null ? undefined : errnoOf(errored);
}
