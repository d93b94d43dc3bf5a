/**
 * Relations between settings that are each valid alone. Every refusal shows its
 * arithmetic and names a sufficient value.
 */
import { TransferError } from '../base/errors.ts';
import { MIN_WINDOW_BUDGET_BYTES, MIN_WINDOW_BYTES } from '../base/limits.ts';
import { formatBytes } from '../base/units.ts';
import { bucketProblems } from './bucket-root.ts';
import { isLoopback, isOff, type ListenAddress, parseListenAddress } from './listen-address.ts';
import {
  heldPlaces,
  type MemoryBound,
  type MemoryLine,
  memoryBoundBytes,
  sharedWindowBytes,
  slabStrideBytes,
} from './memory/memory-bound.ts';
import { writeBytes } from './notation.ts';
import type { Config } from './schema.ts';
import { shareOf } from './share.ts';
import { trustedProxyProblems } from './trusted-proxies.ts';

/**
 * Slabs beside those that workers fill: one is being sent while the next is
 * ready, or the pool idles while the network writes.
 */
const SLABS_BESIDE_JOBS = 2;

/**
 * All problems of a configuration, in the order of the schema; none when it is usable.
 *
 * @param hasOwnStore as for `memoryProblems`
 */
export function relationProblems(config: Config, availableBytes: number, hasOwnStore = false): string[] {
  return [
    ...listenProblems(config),
    ...adminProblems(config),
    ...tlsProblems(config),
    ...bucketProblems(config),
    ...sizeProblems(config),
    ...slabCountProblems(config),
    ...windowProblems(config),
    ...trustedProxyProblems(config.limits.trustedProxies),
    ...memoryProblems(config, availableBytes, hasOwnStore),
  ];
}

function listenProblems(config: Config): string[] {
  let address: ListenAddress;
  try {
    address = parseListenAddress(config.listen);
  } catch (error) {
    return [`listen: ${TransferError.from(error).message}`];
  }
  if (isLoopback(address) || config.insecure || config.tls.cert !== '') return [];
  return [
    `listen ${config.listen} can be reached from other machines, and without TLS everybody on the way can read the files; ` +
      'set tls.cert and tls.key (--tls-cert, --tls-key), or say --insecure to accept that',
  ];
}

/** What it shows and lets do is for operators. */
function adminProblems({ access, admin, insecure, tls }: Config): string[] {
  if (isOff(admin.listen)) return [];
  let address: ListenAddress;
  try {
    address = parseListenAddress(admin.listen);
  } catch (error) {
    return [`admin.listen: ${TransferError.from(error).message}; or off`];
  }
  if (isLoopback(address)) return [];
  const problems: string[] = [];
  const reach = `admin.listen ${admin.listen} can be reached from other machines`;
  if (access === '') {
    problems.push(
      `${reach}, and without access rules everybody there could end transfers; set access to a file that says who may, or choose an address of the loopback interface`,
    );
  }
  if (tls.cert === '' && !insecure) {
    problems.push(
      `${reach}, and without TLS everybody on the way can read the tokens; set tls.cert and tls.key, or say --insecure to accept that`,
    );
  }
  return problems;
}

function tlsProblems({ tls }: Config): string[] {
  const problems: string[] = [];
  if (tls.cert !== '' && tls.key === '')
    problems.push(`tls.cert is set to ${tls.cert} but tls.key is not; TLS needs both`);
  if (tls.key !== '' && tls.cert === '')
    problems.push(`tls.key is set to ${tls.key} but tls.cert is not; TLS needs both`);
  if (tls.clientCa !== '' && tls.cert === '') {
    problems.push('tls.clientCa asks for client certificates, which only TLS has; set tls.cert and tls.key');
  }
  return problems;
}

function sizeProblems({ chunk, slab, stream }: Config): string[] {
  return [
    ...atMost('chunk.size', chunk.size, 'chunk.maxSize', chunk.maxSize),
    ...atMost('chunk.maxSize', chunk.maxSize, 'slab.size', slab.size),
    ...atMost('stream.firstMessage', stream.firstMessage, 'slab.size', slab.size),
  ];
}

function windowProblems({ processes, uploads }: Config): string[] {
  const { maxWindow, window, windowBudget } = uploads;
  const least = MIN_WINDOW_BUDGET_BYTES * processes;
  if (window === 0 && windowBudget < least) {
    return [
      `uploads.windowBudget ${writeBytes(windowBudget)} is too little for processes ${processes}; raise it to at least ${writeBytes(least)}`,
    ];
  }
  if (window > 0 && window < MIN_WINDOW_BYTES) {
    return [
      `uploads.window ${writeBytes(window)} is less than every HTTP/2 stream begins with; ` +
        `raise it to at least ${writeBytes(MIN_WINDOW_BYTES)}, or set it to 0 to follow the link`,
    ];
  }
  return window > 0 ? [] : atMost('uploads.maxWindow', maxWindow, 'uploads.windowBudget', windowBudget);
}

function atMost(smaller: string, smallerBytes: number, larger: string, largerBytes: number): string[] {
  if (smallerBytes <= largerBytes) return [];
  const [low, high] = [writeBytes(smallerBytes), writeBytes(largerBytes)];
  return [
    `${smaller} ${low} is more than ${larger} ${high}; lower ${smaller} to ${high} or raise ${larger} to ${low}`,
  ];
}

/** One job for each thread, and one that waits for the next free thread. */
function minSlabCount(threads: number): number {
  return threads + 1 + SLABS_BESIDE_JOBS;
}

function slabCountProblems(config: Config): string[] {
  const { processes, slab } = config;
  const { threads } = shareOf(config).pool;
  const least = minSlabCount(threads) * processes;
  if (slab.count >= least) return [];
  const each = processes === 1 ? '' : ` in each of ${processes} processes`;
  return [
    `slab.count ${slab.count} is too few for pool.threads ${threads}${each}: ${threads} + 1 jobs fill a slab each, ` +
      `and ${SLABS_BESIDE_JOBS} more are ready or being sent; raise slab.count to at least ${least}`,
  ];
}

/** Why the memory that transfers can hold is too much, if it is. `hasOwnStore`: as `memoryBoundBytes`. */
export function memoryProblems(config: Config, availableBytes: number, hasOwnStore = false): string[] {
  const bound = memoryBoundBytes(config, hasOwnStore);
  if (bound.total <= availableBytes) return [];
  const sum = Object.values(bound.lines).map((line) => `${line.arithmetic} = ${formatBytes(line.bytes)}`);
  const [total, available] = [formatBytes(bound.total), formatBytes(availableBytes)];
  return [
    `${sum.join('; ')}; together ${total}, but this machine or container has ${available}; ` +
      remedy(config, bound, availableBytes),
  ];
}

/** The largest setting that can be lowered far enough, and the value that is enough. */
function remedy(config: Config, { lines, total }: MemoryBound, availableBytes: number): string {
  const excessBytes = total - availableBytes;
  const { slabs, streams, calls, connections, uploads } = lines;
  const lowered: readonly (readonly [MemoryLine | undefined, () => string | undefined])[] = [
    [slabs, () => slabRemedy(config, slabs.bytes - excessBytes)],
    [streams, () => placesRemedy(config, 'streams', streams.bytes, excessBytes)],
    [calls, () => placesRemedy(config, 'calls', calls.bytes, excessBytes)],
    [connections, () => connectionRemedy(config, connections.bytes, excessBytes)],
    [uploads, () => uploadRemedy(config, uploads?.bytes ?? 0, excessBytes)],
  ];
  for (const [, remedyOf] of lowered.toSorted(([a], [b]) => (b?.bytes ?? 0) - (a?.bytes ?? 0))) {
    const found = remedyOf();
    if (found !== undefined) return found;
  }
  return 'lower slab.count, limits.streams, limits.uploadStreams and limits.connections';
}

function slabRemedy(config: Config, leftBytes: number): string | undefined {
  const slabCount = Math.floor(leftBytes / slabStrideBytes(config.slab.size));
  const least = minSlabCount(shareOf(config).pool.threads) * config.processes;
  return slabCount >= least ? `lower slab.count to ${slabCount}` : undefined;
}

/** For a line that grows with a limit on places. */
function placesRemedy(
  { limits }: Config,
  name: 'streams' | 'calls' | 'uploadStreams',
  lineBytes: number,
  excessBytes: number,
): string | undefined {
  const placeBytes = lineBytes / heldPlaces(limits[name]);
  const places = Math.floor((lineBytes - excessBytes) / placeBytes);
  let limit = Math.max(Math.floor(places * 0.9), places - 8);
  while (limit >= 1 && heldPlaces(limit) > places) limit -= 1;
  return limit >= 1 ? `lower limits.${name} to ${limit}` : undefined;
}

function connectionRemedy({ limits }: Config, lineBytes: number, excessBytes: number): string | undefined {
  const count = Math.floor((lineBytes - excessBytes) / (lineBytes / limits.connections));
  return count >= 1 ? `lower limits.connections to ${count}` : undefined;
}

/** Fewer streams; smaller windows where the shared windows hold more than the streams. */
function uploadRemedy(config: Config, lineBytes: number, excessBytes: number): string | undefined {
  const { uploads } = config;
  const sharedBytes = sharedWindowBytes(uploads);
  const streamBytes = lineBytes - sharedBytes;
  const budgetBytes = sharedBytes - excessBytes;
  if (sharedBytes > streamBytes && budgetBytes >= MIN_WINDOW_BUDGET_BYTES) {
    const also = uploads.maxWindow > budgetBytes ? ' and uploads.maxWindow' : '';
    return `lower uploads.windowBudget${also} to ${writeBytes(budgetBytes)}`;
  }
  return placesRemedy(config, 'uploadStreams', streamBytes, excessBytes);
}
