/**
 * What the system still holds of what was written to a socket. A reset throws
 * that away, and with it the promise that a cut comes at an exact byte.
 */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 1;

/** A peer that does not read would put the cut off for ever. */
const GIVE_UP_MS = 10_000;

/** Resolves when the peer's system has acknowledged everything. At once where there is no /proc. */
export async function sendQueueEmpty(socket: Socket): Promise<void> {
  const giveUpAtMs = performance.now() + GIVE_UP_MS;
  while (!socket.destroyed && performance.now() < giveUpAtMs) {
    const bytes = await unacknowledgedBytes(socket);
    if (bytes === undefined || bytes === 0) return;
    await sleep(POLL_MS);
  }
}

/** Lines of /proc/net/tcp: `0: 0100007F:C350 0100007F:8AE4 01 00000000:00000000 …`, the send queue before the last colon. */
async function unacknowledgedBytes({
  localPort,
  remotePort,
  localFamily,
}: Socket): Promise<number | undefined> {
  if (localPort === undefined || remotePort === undefined) return undefined;
  const table = await readFile(localFamily === 'IPv6' ? '/proc/net/tcp6' : '/proc/net/tcp', 'latin1').catch(
    () => '',
  );
  const line = new RegExp(`:${hex(localPort)} [0-9A-F]+:${hex(remotePort)} \\w+ ([0-9A-F]+):`).exec(table);
  return line === null ? undefined : Number.parseInt(line[1] as string, 16);
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
