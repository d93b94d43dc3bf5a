/** A TCP relay before a server that cuts connections after a number of bytes. */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';

export interface Relay {
  /** `host:port` of the relay. */
  readonly address: string;
  /** Bytes from the server after which the next connections are cut; later ones are not. */
  readonly cutAfterBytes: number[];
}

export async function startRelay(t: TestContext, port: number): Promise<Relay> {
  const cutAfterBytes: number[] = [];
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    let leftBytes = cutAfterBytes.shift() ?? Number.POSITIVE_INFINITY;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
    }
    near.pipe(far);
    far.on('data', (bytes) => {
      const passed = bytes.subarray(0, leftBytes);
      leftBytes -= passed.byteLength;
      if (leftBytes > 0) near.write(passed);
      else near.end(passed, () => near.destroySoon());
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  return { address: `127.0.0.1:${(listener.address() as net.AddressInfo).port}`, cutAfterBytes };
}
