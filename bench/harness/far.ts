/** Servers seen from far away: through a link with a delay, in a process of its own. */

import type { LinkSettings } from '../../link-emulator/link.ts';
import { type LinkProcess, startLinkProcess } from '../../link-emulator/link-process.ts';
import { measureLinkRate } from '../../link-emulator/measure.ts';
import { parseEndpoint } from '../../link-emulator/notation.ts';
import { MIB } from '../../src/base/units.ts';
import type { Server } from './contender.ts';
import type { Metrics } from './metrics.ts';

/**
 * Runs `work` with a server whose answers take `roundTripMs` longer; `target` is the link. Its code is warm: a cold
 * one is at its processor's limit with 130 MiB/s for half a second, and the first transfer would measure that.
 */
export async function fromAfar<T>(
  server: Server,
  roundTripMs: number,
  work: (far: Server) => Promise<T>,
): Promise<T> {
  return await throughLink(server, { delayMs: roundTripMs / 2 }, work);
}

/** As `fromAfar`, through any link. */
export async function throughLink<T>(
  server: Server,
  settings: LinkSettings,
  work: (far: Server, link: LinkProcess) => Promise<T>,
): Promise<T> {
  return await throughBalancer([server], settings, (link) => work({ ...server, target: link.address }, link));
}

/** Each connection goes to the next of the servers. */
export async function throughBalancer<T>(
  servers: readonly Server[],
  settings: LinkSettings,
  work: (link: LinkProcess) => Promise<T>,
): Promise<T> {
  const target = servers.map((server) => parseEndpoint(server.target));
  const link = await startLinkProcess({ target, ...settings, isWarm: true });
  try {
    return await work(link);
  } finally {
    await link.stop();
  }
}

/** What two programs of Node move through the link without any protocol. No ceiling: others send with less CPU. */
export async function plainTcp(roundTripMs: number, bytes: number): Promise<Metrics> {
  const rate = await measureLinkRate({ delayMs: roundTripMs / 2 }, bytes);
  return { rateMibPerSec: rate / MIB };
}
