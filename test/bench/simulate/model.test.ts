import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compare } from '../../../bench/simulate/check.ts';
import type { Measured, Point, TransferCost } from '../../../bench/simulate/constants.ts';
import { readMeasured } from '../../../bench/simulate/constants.ts';
import { runExample } from '../../../bench/simulate/example-run.ts';
import { DEFAULT_SERVER, EXAMPLE_MACHINE } from '../../../bench/simulate/examples.ts';
import { fill, lose, spread } from '../../../bench/simulate/experiments.ts';
import { type Backend, type Load, predict, type ServerMachine } from '../../../bench/simulate/model.ts';
import { scalingPage } from '../../../bench/simulate/page.ts';
import { GIB, KIB, MIB } from '../../../src/base/units.ts';
import { memoryBoundBytes } from '../../../src/config/memory/memory-bound.ts';
import { configSchema } from '../../../src/config/schema.ts';

/** Of an event loop, so many seconds for each GiB, and twice that of all threads and of the client. */
function transfer(loopSec: number, storeRequests = 0): TransferCost {
  const cost = { loopSec, cpuSec: 2 * loopSec };
  return { server: cost, client: cost, storeRequests };
}

const machine = { cpu: 'a processor', cores: 2, memoryBytes: GIB, kernel: '6', node: 'v20', loadBefore: 0 };

const MEASURED: Measured = {
  date: '2026-01-01T00:00:00.000Z',
  machine,
  transfers: {
    download: transfer(0.5),
    downloadTls: transfer(0.75),
    downloadGzip: transfer(0.625),
    downloadSlow: transfer(1),
    upload: transfer(1),
    uploadTls: transfer(1.5),
    uploadGzip: transfer(1.25),
    bucketDownload: transfer(1.5, 256),
    bucketUpload: transfer(2, 130),
  },
  connection: { loopSec: 0.001, cpuSec: 0.001 },
  connectionTls: { loopSec: 0.002, cpuSec: 0.002 },
  call: { loopSec: 0.0001, cpuSec: 0.0001 },
  ping: { loopSec: 0, cpuSec: 0 },
  connectionBytes: 32 * KIB,
  connectionTlsBytes: 64 * KIB,
  streamBytes: 128 * KIB,
  serverBytes: 100 * MIB,
  descriptorsPerConnection: 1,
  gzipShare: 0.25,
  points: [],
};

const MACHINE: ServerMachine = {
  cores: 4,
  processes: 2,
  memoryBytes: 2 * GIB,
  linkBytesPerSec: GIB,
  connections: 1000,
  streams: 1000,
  uploadStreams: 1000,
  storeRequests: 8,
};

const DIRECTORY: Backend = { kind: 'directory', getsPerSec: 5500, putsPerSec: 3500, latencySec: 0.25 };
const BUCKET: Backend = { ...DIRECTORY, kind: 'bucket' };

/** 1 GiB/s in all. */
const LOAD: Load = {
  clients: 1024,
  bytesPerClientSec: MIB,
  uploadShare: 0,
  gzipShare: 0,
  tls: false,
  transferBytesPerSec: 16 * MIB,
  callsPerClientSec: 0,
  connectionSec: Number.POSITIVE_INFINITY,
};

function needOf(resource: string, load: Partial<Load> = {}, backend = DIRECTORY, most = 0.5): number {
  const { needs } = predict({ ...LOAD, ...load }, MACHINE, backend, MEASURED, most);
  return needs.find((need) => need.resource === resource)?.machines ?? Number.NaN;
}

test('a load takes of event loops and cores what its bytes cost, filled as far as they may be', () => {
  assert.equal(needOf('event loops'), 0.5 / (2 * 0.5));
  assert.equal(needOf('cores'), 1 / (4 * 0.5));
  assert.equal(needOf('event loops', { uploadShare: 1 }), 1 / (2 * 0.5));
});

test('TLS, gzip and a bucket each add what they cost more than a plain transfer', () => {
  assert.equal(needOf('event loops', { tls: true }), 0.75);
  assert.equal(needOf('event loops', { gzipShare: 0.5 }), 0.5 + 0.125 / 2);
  assert.equal(needOf('event loops', {}, BUCKET), 1.5);
  assert.equal(needOf('event loops', { tls: true }, BUCKET), 1.75);
});

test('slow transfers cost what slow transfers were measured to cost', () => {
  assert.equal(needOf('event loops', { transferBytesPerSec: MIB }), 1);
});

test('calls and new connections take their share of event loops', () => {
  assert.equal(needOf('event loops', { callsPerClientSec: 1 }), 0.5 + 0.1024);
  assert.equal(needOf('event loops', { connectionSec: 1 }), 0.5 + 1.024);
});

test('with a bucket each byte passes the network twice, and text passes it as gzip', () => {
  assert.equal(needOf('network out'), 2);
  assert.equal(needOf('network in'), 0);
  assert.equal(needOf('network in', {}, BUCKET), 2);
  assert.equal(needOf('network out', { gzipShare: 1 }), 0.5);
});

test('as many transfers run at a time as arrive each second times how long they take', () => {
  assert.equal(predict(LOAD, MACHINE, DIRECTORY, MEASURED).transfers, 64);
});

test('a bucket has the requests of all bytes, however many machines there are', () => {
  const found = predict({ ...LOAD, uploadShare: 0.5 }, MACHINE, BUCKET, MEASURED);
  assert.equal(found.getsPerSec, 128);
  assert.equal(found.putsPerSec, 65);
  assert.equal(found.storeUse, 128 / 5500);
  assert.equal(predict(LOAD, MACHINE, DIRECTORY, MEASURED).getsPerSec, 0);
});

test('as many requests are under way as are made each second times how long one takes', () => {
  assert.equal(needOf('s3.requests', {}, BUCKET), (256 * 0.25) / 8);
});

test('so many whole machines are needed as the scarcest resource wants', () => {
  const { machines, needs } = predict({ ...LOAD, clients: 10_240 }, MACHINE, DIRECTORY, MEASURED, 0.5);
  assert.deepEqual([machines, needs[0]?.resource], [20, 'network out']);
  assert.equal(predict({ ...LOAD, clients: 1 }, MACHINE, DIRECTORY, MEASURED).machines, 1);
});

test('transfers that run at a time find places', () => {
  assert.equal(needOf('limits.streams', { uploadShare: 0.25 }), 48 / 1000);
  assert.equal(needOf('limits.uploadStreams', { uploadShare: 0.25 }), 16 / 1000);
});

test('the machines of the examples can be configured as they are said to be', () => {
  for (const machine of [EXAMPLE_MACHINE, DEFAULT_SERVER]) {
    const { connections, memoryBytes, streams, uploadStreams } = machine;
    const config = configSchema.parse({ writable: true, limits: { connections, streams, uploadStreams } });
    assert.ok(memoryBoundBytes(config).total < memoryBytes, `${memoryBoundBytes(config).total / GIB}`);
  }
});

test('a point that the constants explain has no error', () => {
  const point: Point = {
    load: 'a stream each',
    connections: 64,
    // Both ends take 2 s of CPU time for each GiB, of two cores.
    mibPerSec: 1024,
    loopSec: 0.5,
    cpuSec: 1,
    clientCpuSec: 1,
    rssBytes: 100 * MIB + 64 * (512 * KIB + 4 * KIB) + 64 * (32 + 64) * KIB,
    descriptors: 100,
  };
  const idle = {
    ...point,
    load: 'idle, TLS',
    connections: 1000,
    mibPerSec: 0,
    rssBytes: 162.5 * MIB,
  } as const;
  const slow = { ...point, load: '1 MiB/s each', mibPerSec: 64, cpuSec: 0.125, rssBytes: 106 * MIB } as const;
  for (const { measured, point: at, predicted } of compare({ ...MEASURED, points: [point, idle, slow] }))
    assert.equal(predicted, measured, at.load);
});

test('the simulation fills an event loop as the model says, and slows transfers as the formula does', () => {
  const { slowdown, used } = fill(MEASURED, 0.7, Number.POSITIVE_INFINITY);
  assert.ok(Math.abs(used - 0.7) < 0.03, `${used}`);
  assert.ok(Math.abs(slowdown - 1 / 0.3) < 0.4, `${slowdown}`);
  assert.ok(fill(MEASURED, 0.7, 0.1).slowdown < 1.2);
});

test('machines that the model has filled are used so far in the simulation, and slow nothing down much', () => {
  const load = { ...LOAD, clients: 8192, uploadShare: 0.25, callsPerClientSec: 0.1 };
  const machine = { ...MACHINE, storeRequests: 1000 };
  const { expectedUse, predicted, resource, slowdown, used } = runExample(load, machine, BUCKET, MEASURED);
  assert.equal(resource, predicted.needs[0]?.resource);
  assert.ok(expectedUse > 0.6 && expectedUse <= 0.7, `${expectedUse}`);
  assert.ok(Math.abs(used - expectedUse) < 0.05, `${used} ${expectedUse}`);
  assert.ok(slowdown > 0.9 && slowdown < 1.5, `${slowdown}`);
});

test('transfers by turns are spread better than at random', () => {
  const [turns, random] = [spread(MEASURED, 8, 0.7, 'in turn'), spread(MEASURED, 8, 0.7, 'random')];
  assert.ok(turns < 0.8 * random, `${turns} ${random}`);
});

test('the clients of a server that was lost are connected again in little more than what accepting them takes', () => {
  const { expectedSec, load, reconnectedSec, slowest, slowestBefore } = lose(MEASURED, MEASURED.connection, {
    loops: 5,
    load: 0.6,
    clientsOfEach: 10_000,
  });
  assert.equal(expectedSec, 2.5);
  assert.ok(Math.abs(load - 0.75) < 1e-9);
  assert.ok(reconnectedSec >= expectedSec && reconnectedSec < 1.1 * expectedSec, `${reconnectedSec}`);
  assert.ok(slowest >= slowestBefore);
});

test('docs/scaling.md is what the model says', () => {
  const page = readFileSync(new URL('../../../../docs/scaling.md', import.meta.url), 'utf8');
  assert.ok(page === scalingPage(readMeasured()), 'run npm run simulate -- report');
});
