/**
 * Plain TCP at full speed: answers each request, a number of bytes as a
 * double, with that many bytes. What a link carries of this is what it can.
 */
import { createServer, type Socket } from 'node:net';
import { MIB } from '../src/base/units.ts';

const PIECE = Buffer.alloc(MIB);

function send(socket: Socket, leftBytes: number): void {
  if (leftBytes <= 0) return;
  socket.write(PIECE.subarray(0, leftBytes), () => send(socket, leftBytes - PIECE.length));
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.on('data', (request) => send(socket, request.readDoubleBE()));
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  console.log(`raw source is ready on 127.0.0.1:${address.port}`);
});
