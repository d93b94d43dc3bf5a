/** Ports for servers that cannot say which one they got for 0. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Free on loopback when it was asked for. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
