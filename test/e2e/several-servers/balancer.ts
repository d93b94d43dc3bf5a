/** A TCP balancer before several servers: each connection goes to the next server, in turn, that accepts it. */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';

export interface Balancer {
  /** `host:port` of the balancer. */
  readonly address: string;
  /** What becomes of the next connections after so many bytes from the server; later ones pass all. */
  readonly ends: { readonly afterBytes: number; readonly by: 'holding' | 'cutting' }[];
  /** Bytes that each server has sent through it. */
  readonly passedBytes: readonly number[];
}

/** @param servers their `host:port` */
export async function startBalancer(t: TestContext, servers: readonly string[]): Promise<Balancer> {
  const ends: Balancer['ends'] = [];
  const passedBytes = servers.map(() => 0);
  const sockets = new Set<net.Socket>();
  let turn = 0;

  async function serve(near: net.Socket): Promise<void> {
    sockets.add(near.on('error', () => {}));
    for (let tries = 0; tries < servers.length; tries += 1) {
      const index = turn++ % servers.length;
      const far = net.connect(portOf(servers[index] as string), '127.0.0.1');
      sockets.add(far);
      try {
        await once(far, 'connect');
      } catch {
        // This server is gone.
        continue;
      }
      const end = ends.shift();
      let leftBytes = end?.afterBytes ?? Number.POSITIVE_INFINITY;
      far.on('error', () => {}).on('close', () => near.destroy());
      near.on('close', () => far.destroy());
      near.pipe(far);
      far.on('data', (bytes) => {
        const passed = bytes.subarray(0, leftBytes);
        leftBytes -= passed.length;
        passedBytes[index] = (passedBytes[index] as number) + passed.length;
        // What is held back is read all the same, so that the end of the server is seen.
        if (leftBytes === 0 && end?.by === 'cutting') {
          far.pause();
          near.end(passed, () => near.destroySoon());
        } else if (!near.write(passed)) far.pause();
      });
      near.on('drain', () => far.resume());
      return;
    }
    near.destroy();
  }

  const listener = net.createServer((near) => void serve(near));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    address: `127.0.0.1:${(listener.address() as net.AddressInfo).port}`,
    ends,
    passedBytes,
  };
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
