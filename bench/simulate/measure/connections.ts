/** What connections cost a server: to accept, to hold, to ping; and a stream that waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../../src/cli/process/child.ts';
import type { UnaryLoadReport } from '../../drivers/protocol.ts';
import { finishDriver, type Server, startDriver } from '../../harness/contender.ts';
import type { Measured, Point } from '../constants.ts';
import { above, costOf, divided, type Held, heldBy } from './seen.ts';
import { type Bench, servedBy } from './served.ts';

const CONNECTIONS = 500;
const IDLE_POINTS = [1, 16, 64, 256, 1000];
const IDLE_TLS_POINTS = [64, 1000];
const IDLE_SEC = 5;
const READY_TIMEOUT_MS = 60_000;
const CALLS_IN_FLIGHT = 32;

type Connections = Pick<Measured, 'connection' | 'connectionBytes' | 'descriptorsPerConnection'>;

/** Makes connections and keeps them until the driver is ended. */
async function connected({ target }: Server, bench: Bench, connections: number, tls: boolean) {
  const ca = tls ? { ca: bench.tls.ca } : {};
  const driver = startDriver('idle-connections', { target, file: bench.file, connections, ...ca });
  await driver.says(/idle/, READY_TIMEOUT_MS);
  return driver;
}

export async function measureConnections(bench: Bench, tls: boolean): Promise<Connections> {
  return await servedBy(bench, { tls }, async (server) => {
    const warm = await connected(server, bench, CONNECTIONS, tls);
    await warm.end();
    const before = await heldBy(server);
    let driver: Child | undefined;
    const cost = await costOf(server, async () => {
      driver = await connected(server, bench, CONNECTIONS, tls);
    });
    const after = await heldBy(server);
    await driver?.end();
    return { connection: divided(cost, CONNECTIONS), ...eachOf(after, before) };
  });
}

function eachOf(after: Held, before: Held) {
  return {
    connectionBytes: Math.max(0, after.rssBytes - before.rssBytes) / CONNECTIONS,
    descriptorsPerConnection: Math.round((after.descriptors - before.descriptors) / CONNECTIONS),
  };
}

/** With pings each second, so that they are many. */
export async function measurePing(bench: Bench): Promise<Pick<Measured, 'ping'>> {
  const flags = ['--connection-keepalive-time=1s'];
  return await servedBy(bench, { flags }, async (server) => {
    const alone = await costOf(server, () => sleep(IDLE_SEC * 1000));
    const driver = await connected(server, bench, CONNECTIONS, false);
    await heldBy(server);
    const pinged = await costOf(server, () => sleep(IDLE_SEC * 1000));
    await driver.end();
    return { ping: divided(above(pinged, alone), CONNECTIONS * IDLE_SEC) };
  });
}

export async function measureCall(bench: Bench): Promise<Pick<Measured, 'call'>> {
  return await servedBy(bench, {}, async ({ pid, target }) => {
    const request = {
      target,
      serverPid: pid,
      file: bench.file,
      inFlight: CALLS_IN_FLIGHT,
      warmUpSeconds: 2,
      seconds: bench.seconds,
    };
    const report = await finishDriver<UnaryLoadReport>(startDriver('unary-load', request));
    const cost = { loopSec: report.serverLoopSeconds, cpuSec: report.serverCpuSeconds };
    return { call: divided(cost, report.calls) };
  });
}

/** Downloads that wait for their peers, on few connections. */
export async function measureWaiting(bench: Bench): Promise<Pick<Measured, 'streamBytes' | 'serverBytes'>> {
  return await servedBy(bench, {}, async (server) => {
    const before = await heldBy(server);
    const request = { target: server.target, file: bench.file, readers: CONNECTIONS, chunkBytes: 0 };
    const driver = startDriver('stalled-readers', request);
    await driver.says(/stalled/, READY_TIMEOUT_MS);
    const after = await heldBy(server);
    await driver.end();
    return {
      serverBytes: before.rssBytes,
      streamBytes: Math.max(0, after.rssBytes - before.rssBytes) / CONNECTIONS,
    };
  });
}

/** What the model has to predict: connections that do nothing. */
export async function idlePoints(bench: Bench, tls: boolean): Promise<Point[]> {
  const points: Point[] = [];
  for (const connections of tls ? IDLE_TLS_POINTS : IDLE_POINTS) {
    points.push(
      await servedBy(bench, { tls }, async (server) => {
        const driver = await connected(server, bench, connections, tls);
        const held = await heldBy(server);
        const cost = divided(await costOf(server, () => sleep(IDLE_SEC * 1000)), IDLE_SEC);
        await driver.end();
        const load = tls ? 'idle, TLS' : 'idle';
        return { load, connections, mibPerSec: 0, clientCpuSec: 0, ...cost, ...held } as const;
      }),
    );
  }
  return points;
}
