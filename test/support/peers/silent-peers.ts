/** Peers that never answer: an address that drops connects, and one that accepts and then says nothing. */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';
import { startChild } from '../start-child.ts';
import { until } from '../until.ts';

/** What Linux makes of a backlog of one. */
const QUEUE_LENGTH = 2;

/**
 * `host:port` of a listener whose queue is full and stays full: further connects get no answer, as
 * from a host that drops packets.
 */
export async function unansweredAddress(t: TestContext): Promise<string> {
  // Node accepts whatever comes, so the process is stopped.
  const script = `const s = require('net').createServer();
    s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port));`;
  const child = startChild(t, process.execPath, ['-e', script]);
  const port = Number(await child.says(/^\d+(?=\n)/));
  child.process.kill('SIGSTOP');
  const fillers = Array.from({ length: 4 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
  t.after(() => {
    for (const filler of fillers) filler.destroy();
  });
  await until(
    'the queue is full',
    () => fillers.filter(({ connecting }) => !connecting).length === QUEUE_LENGTH,
  );
  return `127.0.0.1:${port}`;
}

export interface SilentPeer {
  readonly address: string;
  /** Connections it has now. */
  readonly sockets: ReadonlySet<net.Socket>;
}

/** Reads what comes and answers nothing, unless `answer` does for the connection of that number. */
export async function startSilentPeer(
  t: TestContext,
  answer?: (socket: net.Socket, number: number) => void,
): Promise<SilentPeer> {
  const sockets = new Set<net.Socket>();
  let accepted = 0;
  const listener = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    if (answer === undefined) socket.resume();
    else answer(socket, accepted);
    accepted += 1;
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  return { address: `127.0.0.1:${(listener.address() as net.AddressInfo).port}`, sockets };
}
