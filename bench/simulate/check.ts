/** The model against what was measured: what it says of each point beside what was seen there. */
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import type { Measured, Point, TransferCost } from './constants.ts';
import { SLAB_BYTES, transferOf } from './model.ts';

/** Another figure of a point, as measured and as the model has it. */
export interface Comparison {
  readonly point: Point;
  readonly figure: 'MiB/s' | 'CPU s/GiB' | 'RSS MiB';
  readonly measured: number;
  readonly predicted: number;
}

/** What a stream without a slab holds at most: `stream.firstMessage`, copied. */
const COPIED_BYTES = 64 * KIB;

export function compare(measured: Measured): Comparison[] {
  return measured.points.flatMap((point) => [
    ...speedOf(point, measured),
    {
      point,
      figure: 'RSS MiB',
      measured: point.rssBytes / MIB,
      predicted: rssOf(point, measured) / MIB,
    } as const,
  ]);
}

function speedOf(point: Point, measured: Measured): Comparison[] {
  const { connections, cpuSec, load, mibPerSec } = point;
  if (load === 'idle' || load === 'idle, TLS') return [];
  const isSlow = load === '1 MiB/s each';
  const fast = load === 'a stream each' ? 'download' : 'downloadTls';
  const cost = transferOf(measured, isSlow ? 'downloadSlow' : fast);
  const work: Comparison = {
    point,
    figure: 'CPU s/GiB',
    measured: (cpuSec / mibPerSec) * (GIB / MIB),
    predicted: cost.server.cpuSec,
  };
  const predicted = isSlow ? connections : hereBytesPerSec(cost, measured.machine.cores) / MIB;
  return [{ point, figure: 'MiB/s', measured: mibPerSec, predicted }, work];
}

/** Server and one client process share the cores: an event loop is full, or all cores are. */
function hereBytesPerSec({ client, server }: TransferCost, cores: number): number {
  return GIB / Math.max(server.loopSec, client.loopSec, (server.cpuSec + client.cpuSec) / cores);
}

function rssOf({ connections, load }: Point, measured: Measured): number {
  const isTls = load.endsWith('TLS');
  const idle =
    measured.serverBytes + connections * (isTls ? measured.connectionTlsBytes : measured.connectionBytes);
  if (load === 'idle' || load === 'idle, TLS') return idle;
  const slabs = load === '1 MiB/s each' ? 0 : SLAB_BYTES;
  return idle + slabs + connections * COPIED_BYTES;
}
