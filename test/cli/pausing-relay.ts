/** A TCP relay before a server that passes a number of bytes and then holds everything back. */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';

/** Resolves with the address of the relay. */
export async function startPausingRelay(t: TestContext, port: number, passedBytes: number): Promise<string> {
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => near.destroy() && far.destroy());
    }
    let leftBytes = passedBytes;
    near.pipe(far);
    far.on('data', (bytes) => {
      near.write(bytes.subarray(0, leftBytes));
      leftBytes -= bytes.length;
      if (leftBytes <= 0) far.pause();
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(listener.address() as net.AddressInfo).port}`;
}
