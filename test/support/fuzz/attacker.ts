/** Carries attacks out, each on a connection from an address of its own, and sees what became of them. */
import { connect, type Socket } from 'node:net';
import { frame } from '../peers/h2-frames.ts';
import type { Random } from '../seed.ts';
import { patient } from '../until.ts';
import type { Attack } from './attack.ts';
import { FrameReader } from './frame-reader.ts';

/** What the server did, over all connections. */
export interface Seen {
  /** Connections on which it read all that was sent, as its PING tells. */
  read: number;
  /** Connections that it ended, by GOAWAY or altogether. */
  closed: number;
  /** Streams that it answered or reset. */
  streams: number;
}

const PING = 6;
const GOAWAY = 7;
const ACK = 1;

/** What is waited for on a connection that the server waits on as well, because a frame is not whole. */
const PATIENCE_MS = patient(2000);

/** Sends one attack, in pieces, until the server has read it or closed the connection; then leaves in some way. */
export async function carryOut(random: Random, port: number, { bytes }: Attack, seen: Seen): Promise<void> {
  // Made before anything is waited for: what is sent does not depend on who answers first.
  const cuts = Array.from({ length: random.pick([0, 0, 0, 1, 3]) }, () => random.between(0, bytes.length));
  const leave = random.pick<(socket: Socket) => void>([
    (socket) => socket.destroy(),
    (socket) => socket.destroy(),
    (socket) => socket.resetAndDestroy(),
    (socket) => socket.end(),
  ]);
  const pings = random.pick([1, 1, 2, 4]);
  const localAddress = `127.${random.between(1, 250)}.${random.between(0, 255)}.${random.between(1, 254)}`;
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  let onPing = () => {};
  let onGoaway = () => {};
  const ended = new Promise<'closed'>((resolve) => {
    onGoaway = () => resolve('closed');
    socket.once('close', onGoaway);
  });
  const reader = new FrameReader((type, flags) => {
    if (type === PING && flags === ACK) onPing();
    if (type === GOAWAY) onGoaway();
    if (type <= 1 && flags % 2 === 1) seen.streams += 1;
    if (type === 3) seen.streams += 1;
  });
  socket.on('data', (piece) => reader.read(piece));
  socket.on('end', () => socket.destroy());
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), PATIENCE_MS);
  });
  let end: 'read' | 'closed' | 'late' = 'read';
  let from = 0;
  for (const cut of cuts.sort((a, b) => a - b)) {
    socket.write(bytes.subarray(from, cut));
    from = cut;
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.write(bytes.subarray(from));
  for (let sent = 0; sent < pings && end === 'read'; sent += 1) {
    const answered = new Promise<'read'>((resolve) => {
      onPing = () => resolve('read');
    });
    socket.write(frame(PING, 0, 0, Buffer.alloc(8, 'fuzz')));
    end = await Promise.race([answered, ended, late]);
  }
  clearTimeout(timer);
  if (end === 'read') seen.read += 1;
  if (end === 'closed') seen.closed += 1;
  leave(socket);
  const gone = setTimeout(() => socket.destroy(), PATIENCE_MS);
  await closed;
  clearTimeout(gone);
}
