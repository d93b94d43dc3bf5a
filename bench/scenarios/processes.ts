/** Several processes on one port: what it costs to have two event loops, on as many processors as there are. */
import { availableParallelism } from 'node:os';
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import { atMost, ratioOf } from '../harness/bar.ts';
import type { Contender } from '../harness/contender.ts';
import { loadCase, type Scenario } from '../harness/scenario.ts';
import { sluice, startSluice } from '../peers/sluice.ts';

const STREAMS = 64;
const CHUNK_BYTES = 256 * KIB;
const TOTAL_BYTES = 8 * GIB;
const QUICK_TOTAL_BYTES = 2 * GIB;
const WARM_UP_BYTES = 64 * MIB;

const ONE = 'sluice × 1 process';
const TWO = 'sluice × 2 processes';

export const processes: Scenario = {
  name: 'processes',
  describe: `64 streams of random bytes in the page cache over 64 connections, from one process and from two, with their client on ${availableParallelism()} processors`,
  bars: [atMost(1.1, ratioOf('serverCpuSecPerGib', TWO, ONE))],
  async prepare(context) {
    const shareBytes = (context.quick ? QUICK_TOTAL_BYTES : TOTAL_BYTES) / STREAMS;
    const size = Math.max(shareBytes, WARM_UP_BYTES);
    const plan = {
      file: await context.files.random(size),
      streams: STREAMS,
      connections: STREAMS,
      start: size - shareBytes,
      chunkBytes: CHUNK_BYTES,
      warmUpStart: size - WARM_UP_BYTES,
      warmUpConnections: 8,
    };
    return [1, 2].map((count) => loadCase(count === 1 ? ONE : TWO, processesOf(count), context, plan));
  },
};

function processesOf(count: number): Contender {
  return { ...sluice, start: (directory) => startSluice(directory, [`--processes=${count}`]) };
}
