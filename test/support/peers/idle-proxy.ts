/** A TCP proxy before a server that cuts connections on which nothing moves, in either direction. */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';

/** Nothing has moved for so many ticks of 50 ms; a tick that comes late counts once. */
const IDLE_TICKS = 6;
const TICK_MS = 50;

export interface IdleProxy {
  /** `host:port` of the proxy. */
  readonly address: string;
  /** Connections that were cut. */
  cuts: number;
  /** Pieces that were passed to the server, and from there. */
  readonly passed: { up: number; down: number };
}

export async function startIdleProxy(t: TestContext, port: number): Promise<IdleProxy> {
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    let idleTicks = 0;
    const timer = setInterval(() => {
      idleTicks += 1;
      if (idleTicks < IDLE_TICKS) return;
      proxy.cuts += 1;
      near.destroy();
    }, TICK_MS);
    for (const [from, to, way] of [[near, far, 'up'] as const, [far, near, 'down'] as const]) {
      sockets.add(from);
      from
        .on('error', () => {})
        .on('close', () => {
          clearInterval(timer);
          to.destroy();
        });
      from.on('data', (bytes) => {
        idleTicks = 0;
        proxy.passed[way] += 1;
        to.write(bytes);
      });
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = `127.0.0.1:${(listener.address() as net.AddressInfo).port}`;
  const proxy: IdleProxy = { address, cuts: 0, passed: { up: 0, down: 0 } };
  return proxy;
}
