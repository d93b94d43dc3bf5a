/** Raw bytes through a link of this process, before the one that matters: a process that has just started lets a few MiB/s through at first. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { MIB } from '../src/base/units.ts';
import { startLink } from './link.ts';

const PIECE = Buffer.alloc(64 * 1024);

const WARM_UP_BYTES = 128 * MIB;

/** Of the first half of the bytes. Without any, bytes pass at once, and the code for those on the way would stay cold. */
const DELAY_MS = 1;

/** Resolves once the code of links has been run enough to be compiled. */
export async function warmUpLinks(): Promise<void> {
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  const link = await startLink({ target: { host: '127.0.0.1', port }, delayMs: DELAY_MS });
  const socket = connect({ port: link.port, allowHalfOpen: true });
  socket.resume();
  for (let sentBytes = 0; sentBytes < WARM_UP_BYTES; sentBytes += PIECE.length) {
    if (sentBytes === WARM_UP_BYTES / 2) link.change({ delayMs: 0 });
    if (!socket.write(PIECE)) await once(socket, 'drain');
  }
  socket.end();
  await once(socket, 'close');
  link.close();
  echo.close();
}
