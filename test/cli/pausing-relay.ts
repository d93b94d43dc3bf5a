/** A TCP relay before a server that passes a number of bytes and then holds everything back. */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';

/**
 * Resolves with the address of the relay.
 *
 * @param direction of the bytes that are counted: `down` from the server, `up` to it
 * @param ownPort of the relay; the relay that has it is ended. Default: any free one.
 */
export async function startPausingRelay(
  t: TestContext,
  port: number,
  passedBytes: number,
  direction: 'down' | 'up' = 'down',
  ownPort = 0,
): Promise<string> {
  await endings.get(ownPort)?.();
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => near.destroy() && far.destroy());
    }
    let leftBytes = passedBytes;
    const [from, to] = direction === 'down' ? [far, near] : [near, far];
    to.pipe(from);
    from.on('data', (bytes) => {
      to.write(bytes.subarray(0, leftBytes));
      leftBytes -= bytes.length;
      if (leftBytes <= 0) from.pause();
    });
  });
  listener.listen(ownPort, '127.0.0.1');
  await once(listener, 'listening');
  const relayPort = (listener.address() as net.AddressInfo).port;
  const end = async () => {
    endings.delete(relayPort);
    const closed = once(listener, 'close');
    listener.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  endings.set(relayPort, end);
  t.after(() => endings.get(relayPort)?.());
  return `127.0.0.1:${relayPort}`;
}

/** Ends the relay of a port. */
const endings = new Map<number, () => Promise<void>>();
