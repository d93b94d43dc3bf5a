/** A TCP relay before a server that cuts connections after a number of bytes. */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';

export interface Relay {
  /** `host:port` of the relay. */
  readonly address: string;
  /** Bytes from the server after which the next connections are cut; later ones are not. */
  readonly cutAfterBytes: number[];
  /** As cutAfterBytes, of bytes to the server. */
  readonly cutAfterSentBytes: number[];
}

export async function startRelay(t: TestContext, port: number): Promise<Relay> {
  const cutAfterBytes: number[] = [];
  const cutAfterSentBytes: number[] = [];
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
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
    pass(near, far, cutAfterSentBytes.shift());
    pass(far, near, cutAfterBytes.shift());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = `127.0.0.1:${(listener.address() as net.AddressInfo).port}`;
  return { address, cutAfterBytes, cutAfterSentBytes };
}

function pass(from: net.Socket, to: net.Socket, cutAfterBytes = Number.POSITIVE_INFINITY): void {
  let leftBytes = cutAfterBytes;
  from.on('data', (bytes) => {
    const passed = bytes.subarray(0, leftBytes);
    leftBytes -= passed.byteLength;
    if (leftBytes > 0) to.write(passed);
    else {
      from.pause();
      to.end(passed, () => to.destroySoon());
    }
  });
  from.on('end', () => to.end());
}
