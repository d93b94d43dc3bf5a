/** A TCP relay before a server that cuts connections after a number of bytes, or all of them. */
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
  /** As if there were no server: connections are cut, and so are new ones, until it is back. */
  setAway(isAway: boolean): void;
}

/** @param ports of one server; or of several, to which connections go in turn */
export async function startRelay(t: TestContext, ...ports: readonly number[]): Promise<Relay> {
  const cutAfterBytes: number[] = [];
  const cutAfterSentBytes: number[] = [];
  const sockets = new Set<net.Socket>();
  let isAway = false;
  let connections = 0;
  const listener = net.createServer((near) => {
    if (isAway) {
      near.destroy();
      return;
    }
    const far = net.connect(ports[connections++ % ports.length] as number, '127.0.0.1');
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
  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    listener.close();
    cutAll();
  });
  const setAway = (away: boolean) => {
    isAway = away;
    if (away) cutAll();
  };
  const address = `127.0.0.1:${(listener.address() as net.AddressInfo).port}`;
  return { address, cutAfterBytes, cutAfterSentBytes, setAway };
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
