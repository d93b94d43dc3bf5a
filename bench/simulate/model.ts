/**
 * How many servers a load needs: what it takes of each resource, by the constants,
 * over what one server has of it. Costs add up. A resource that queues is filled to
 * `most` of its capacity, the others wholly.
 */
import { GIB, MIB } from '../../src/base/units.ts';
import { type Cost, DOCUMENTED, type Measured, type Transfer, type TransferCost } from './constants.ts';

/** What clients do, all of them together. */
export interface Load {
  /** Connected at the same time. */
  readonly clients: number;
  /** Of file bytes, by each client, on average. */
  readonly bytesPerClientSec: number;
  /** The share of these bytes that clients send. */
  readonly uploadShare: number;
  /** The share of these bytes that is text and travels as gzip. */
  readonly gzipShare: number;
  readonly tls: boolean;
  /** The rate of one transfer. */
  readonly transferBytesPerSec: number;
  /** Small calls of each client: stat, list, health. */
  readonly callsPerClientSec: number;
  /** How long a connection lasts. */
  readonly connectionSec: number;
}

/** One machine with one server. */
export interface ServerMachine {
  readonly cores: number;
  /** `--processes`: each has an event loop. */
  readonly processes: number;
  readonly memoryBytes: number;
  /** Each way. */
  readonly linkBytesPerSec: number;
  /** `limits.connections`. */
  readonly connections: number;
  /** `limits.streams`: downloads at a time. */
  readonly streams: number;
  /** `limits.uploadStreams`: uploads at a time. */
  readonly uploadStreams: number;
  /** `s3.requests`. */
  readonly storeRequests: number;
}

export interface Backend {
  readonly kind: 'directory' | 'bucket';
  /** What the store takes from all servers together. Infinity where it is not known. */
  readonly getsPerSec: number;
  readonly putsPerSec: number;
  /** Of a request. */
  readonly latencySec: number;
}

export type Resource =
  | 'event loops'
  | 'cores'
  | 'network out'
  | 'network in'
  | 'memory'
  | 'limits.connections'
  | 'limits.streams'
  | 'limits.uploadStreams'
  | 'descriptors'
  | 's3.requests';

export interface Need {
  readonly resource: Resource;
  /** A fraction of a machine, or many machines. */
  readonly machines: number;
}

export interface Prediction {
  /** Whole machines. */
  readonly machines: number;
  /** The scarcest first. */
  readonly needs: readonly Need[];
  readonly outBytesPerSec: number;
  readonly inBytesPerSec: number;
  readonly transfers: number;
  readonly getsPerSec: number;
  readonly putsPerSec: number;
  /** Shares of what the store takes; above 1 no number of servers is enough. */
  readonly storeUse: number;
}

/** Streams below this rate cost as measured with 1 MiB/s. */
const SLOW_BYTES_PER_SEC = 8 * MIB;

/** A server pings each connection so often: `connection.keepaliveTime`. */
const PING_EVERY_SEC = 30;

/** How full what queues may be: transfers take 1 ÷ (1 − most) as long as alone. */
export const DEFAULT_MOST = 0.7;

/** Slabs of a server with its defaults, resident once used. */
export const SLAB_BYTES = 64 * (512 * 1024 + 4096);

export function predict(
  load: Load,
  machine: ServerMachine,
  backend: Backend,
  measured: Measured,
  most = DEFAULT_MOST,
): Prediction {
  const flows = flowsOf(load, backend, measured);
  const work = workOf(load, flows, measured);
  const transfers = (load.clients * load.bytesPerClientSec) / load.transferBytesPerSec;
  const down = load.clients * load.bytesPerClientSec * (1 - load.uploadShare);
  const up = load.clients * load.bytesPerClientSec * load.uploadShare;
  const behind = backend.kind === 'bucket' ? 1 : 0;
  const outBytesPerSec = down * wireShare(load, measured) + up * behind;
  const inBytesPerSec = up * wireShare(load, measured) + down * behind;
  const memory = load.clients * connectionBytes(load, measured) + transfers * measured.streamBytes;
  const memoryOfOne = machine.memoryBytes - machine.processes * measured.serverBytes - SLAB_BYTES;
  const descriptors = load.clients * measured.descriptorsPerConnection + transfers * DOCUMENTED.file.value;
  const getsPerSec = (down / GIB) * flows.download.storeRequests;
  const putsPerSec = (up / GIB) * flows.upload.storeRequests;
  const underWay = (getsPerSec + putsPerSec) * backend.latencySec;
  const needs: Need[] = [
    { resource: 'event loops', machines: work.loopSec / (machine.processes * most) },
    { resource: 'cores', machines: work.cpuSec / (machine.cores * most) },
    { resource: 'network out', machines: outBytesPerSec / (machine.linkBytesPerSec * most) },
    { resource: 'network in', machines: inBytesPerSec / (machine.linkBytesPerSec * most) },
    { resource: 'memory', machines: memory / memoryOfOne },
    { resource: 'limits.connections', machines: load.clients / machine.connections },
    { resource: 'limits.streams', machines: (transfers * (1 - load.uploadShare)) / machine.streams },
    { resource: 'limits.uploadStreams', machines: (transfers * load.uploadShare) / machine.uploadStreams },
    { resource: 'descriptors', machines: descriptors / (DOCUMENTED.descriptors.value * machine.processes) },
    { resource: 's3.requests', machines: underWay / machine.storeRequests },
  ];
  needs.sort((a, b) => b.machines - a.machines);
  return {
    machines: Math.max(1, Math.ceil(needs[0]?.machines ?? 0)),
    needs,
    outBytesPerSec,
    inBytesPerSec,
    transfers,
    getsPerSec,
    putsPerSec,
    storeUse: Math.max(getsPerSec / backend.getsPerSec, putsPerSec / backend.putsPerSec),
  };
}

/** Of downloads and uploads, for each GiB, with all that comes on top. */
export interface Flows {
  readonly download: { readonly server: Cost; readonly storeRequests: number };
  readonly upload: { readonly server: Cost; readonly storeRequests: number };
}

export function flowsOf(load: Load, backend: Backend, measured: Measured): Flows {
  const costOf = (transfer: Transfer) => transferOf(measured, transfer);
  const isSlow = load.transferBytesPerSec < SLOW_BYTES_PER_SEC;
  const isBucket = backend.kind === 'bucket';
  const plainDown = costOf('download').server;
  const plainUp = costOf('upload').server;
  const download = sum(
    isSlow ? costOf('downloadSlow').server : plainDown,
    ...(load.tls ? [difference(costOf('downloadTls').server, plainDown)] : []),
    times(difference(costOf('downloadGzip').server, plainDown), load.gzipShare),
    ...(isBucket ? [difference(costOf('bucketDownload').server, plainDown)] : []),
  );
  const upload = sum(
    plainUp,
    ...(load.tls ? [difference(costOf('uploadTls').server, plainUp)] : []),
    times(difference(costOf('uploadGzip').server, plainUp), load.gzipShare),
    ...(isBucket ? [difference(costOf('bucketUpload').server, plainUp)] : []),
  );
  return {
    download: { server: download, storeRequests: isBucket ? costOf('bucketDownload').storeRequests : 0 },
    upload: { server: upload, storeRequests: isBucket ? costOf('bucketUpload').storeRequests : 0 },
  };
}

export function transferOf(measured: Measured, transfer: Transfer): TransferCost {
  const cost = measured.transfers[transfer];
  if (cost === undefined) throw new Error(`${transfer} was not measured; run npm run simulate -- measure`);
  return cost;
}

/** Each second, of all machines together. */
function workOf(load: Load, { download, upload }: Flows, measured: Measured): Cost {
  const gibPerSec = (load.clients * load.bytesPerClientSec) / GIB;
  return sum(
    times(download.server, gibPerSec * (1 - load.uploadShare)),
    times(upload.server, gibPerSec * load.uploadShare),
    workBesideTransfers(load, measured),
  );
}

/** Calls, connections and pings, each second, of all machines together. */
export function workBesideTransfers(load: Load, measured: Measured): Cost {
  const connection = load.tls ? measured.connectionTls : measured.connection;
  return sum(
    times(measured.call, load.clients * load.callsPerClientSec),
    times(connection, load.clients / load.connectionSec),
    times(measured.ping, load.clients / PING_EVERY_SEC),
  );
}

/** How long so many event loops need to accept so many clients, all at one moment, with nothing else to do. */
export function reconnectSec(clients: number, loops: number, connection: Cost): number {
  return (clients * connection.loopSec) / loops;
}

/** Bytes on the network for each byte of a file. */
export function wireShare(load: Load, measured: Measured): number {
  return 1 - load.gzipShare * (1 - measured.gzipShare);
}

function connectionBytes({ tls }: Load, measured: Measured): number {
  return tls ? measured.connectionTlsBytes : measured.connectionBytes;
}

function sum(...costs: readonly Cost[]): Cost {
  return {
    loopSec: costs.reduce((total, { loopSec }) => total + loopSec, 0),
    cpuSec: costs.reduce((total, { cpuSec }) => total + cpuSec, 0),
  };
}

function difference(a: Cost, b: Cost): Cost {
  return { loopSec: a.loopSec - b.loopSec, cpuSec: a.cpuSec - b.cpuSec };
}

function times({ loopSec, cpuSec }: Cost, factor: number): Cost {
  return { loopSec: loopSec * factor, cpuSec: cpuSec * factor };
}
