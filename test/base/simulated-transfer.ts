/**
 * A transfer in virtual time: workers that compress, one write at a time, a
 * link with a queue, a receiver that decompresses. Everything that a choice of
 * codings sees of the world, and nothing of a real clock.
 */
import { type Choice, CodecChoice } from '../../src/base/codec-choice.ts';
import { type CodecName, type Coding, codingsFor, IDENTITY, nameOfCoding } from '../../src/base/coding.ts';
import { KIB, MIB } from '../../src/base/units.ts';

/** Text and noise, by offset. */
export type DataKind = 'text' | 'random';

export interface World {
  /** Bytes a second through the link, at a moment. */
  linkBytesPerSec(nowMs: number): number;
  /** What sockets and windows take before a write has to wait. */
  bufferBytes: number;
  roundTripMs: number;
  threads: number;
  /** Of a worker's speed, what is left at a moment. */
  workerShare(nowMs: number): number;
  /** Raw bytes a second that the ends move at the most, and decompress. */
  endsBytesPerSec: number;
  decodedBytesPerSec: number;
  kindAt(offset: number): DataKind;
  hasMarks: boolean;
}

export const FAST_WORLD: World = {
  linkBytesPerSec: () => 1000 * MIB,
  bufferBytes: 4 * MIB,
  roundTripMs: 0.5,
  threads: 2,
  workerShare: () => 1,
  endsBytesPerSec: 500 * MIB,
  decodedBytesPerSec: 600 * MIB,
  kindAt: () => 'text',
  hasMarks: true,
};

/** Raw MiB a second of a worker and the ratio, as measured. */
const CODERS: Readonly<Record<string, { mibPerSec: number; ratio: number }>> = {
  'gzip 1': { mibPerSec: 200, ratio: 0.227 },
  'gzip 4': { mibPerSec: 140, ratio: 0.192 },
  'gzip 6': { mibPerSec: 65, ratio: 0.18 },
  'brotli 0': { mibPerSec: 480, ratio: 0.229 },
  'brotli 1': { mibPerSec: 258, ratio: 0.214 },
  'zstd 1': { mibPerSec: 430, ratio: 0.209 },
  'zstd 3': { mibPerSec: 330, ratio: 0.195 },
  'zstd 6': { mibPerSec: 85, ratio: 0.174 },
};

const RANDOM_MIB_PER_SEC = 75;
const READ_MIB_PER_SEC = 4000;
const PROBE_MS = 0.1;
const JOBS_IN_FLIGHT = 3;
const SLAB_BYTES = 512 * KIB;
const FIRST_BYTES = 64 * KIB;
const CHUNK_BYTES = 256 * KIB;
const STEP_MS = 0.1;

export type Strategy = Coding | 'auto';

export interface Outcome {
  /** Raw bytes that were received and decoded, by the end of each 100 ms. */
  readonly receivedBytes: readonly number[];
  readonly ms: number;
  readonly mibPerSec: number;
  readonly switches: number;
  readonly codings: Readonly<Record<string, number>>;
  readonly log: readonly string[];
  readonly probes: number;
  /** Text sent as it is, and random bytes compressed in vain. */
  readonly wronglyCodedBytes: number;
}

interface Job {
  choice: Choice;
  coding: Coding;
  rawBytes: number;
  wireBytes: number;
  incompressible: boolean;
  endOffset: number;
  workLeftMs: number;
  workMs: number;
  isDone: boolean;
}

interface Sent {
  wireLeft: number;
  rawBytes: number;
  isCompressed: boolean;
  /** A mark travels with the bytes before it. */
  mark: boolean;
}

/** Sends `fileBytes` and returns how that went; gives up after `limitMs`. */
export function simulate(
  given: Partial<World>,
  strategy: Strategy,
  fileBytes: number,
  options: { codecs?: readonly CodecName[]; limitMs?: number } = {},
): Outcome {
  const world = { ...FAST_WORLD, ...given };
  const choice = strategy === 'auto' ? new CodecChoice(codingsFor(options.codecs ?? ['gzip'], 6)) : undefined;
  const jobs: Job[] = [];
  const inLink: Sent[] = [];
  const echoes: number[] = [];
  const receivedBytes: number[] = [];
  const codings: Record<string, number> = {};
  const log: string[] = [];
  let nowMs = 0;
  let offset = 0;
  let pieceBytes = FIRST_BYTES;
  let writing: { job: Job; sinceMs: number } | null = null;
  let toDecode = 0;
  const decodeQueue: { rawBytes: number; isCompressed: boolean }[] = [];
  let received = 0;
  let probes = 0;
  let wronglyCodedBytes = 0;
  let reason = '';

  const mark = () => {
    if (choice === undefined || !world.hasMarks || !choice.wantsMark(nowMs)) return;
    choice.link.marked(nowMs);
    inLink.push({ wireLeft: 0, rawBytes: 0, isCompressed: false, mark: true });
  };
  const queued = () => inLink.reduce((sum, sent) => sum + sent.wireLeft, 0);
  mark();
  while (received < fileBytes - KIB && nowMs < (options.limitMs ?? 600_000)) {
    nowMs += STEP_MS;
    // Jobs.
    while (offset < fileBytes && jobs.length < JOBS_IN_FLIGHT) {
      const next = choice?.next(nowMs, Math.min(JOBS_IN_FLIGHT, world.threads)) ?? {
        coding: strategy as Coding,
        probe: false,
      };
      const because = choice?.summary().reason ?? '';
      if (because !== reason) log.push(`${nowMs.toFixed(0)} ms: ${because}`);
      reason = because;
      choice?.took(next, nowMs);
      const speed = choice?.bytesPerMs(next.coding) ?? Number.POSITIVE_INFINITY;
      const slabBytes =
        next.coding.codec === 'identity'
          ? SLAB_BYTES
          : Math.min(SLAB_BYTES, Math.max(CHUNK_BYTES, Math.floor((speed * 5) / CHUNK_BYTES) * CHUNK_BYTES));
      const rawBytes = Math.min(pieceBytes, slabBytes, fileBytes - offset);
      jobs.push(jobOf(world, next, offset, rawBytes));
      if (next.probe) probes += 1;
      offset += rawBytes;
    }
    let threads = world.threads;
    for (const job of jobs) {
      if (threads === 0) break;
      if (job.isDone) continue;
      threads -= 1;
      job.workLeftMs -= STEP_MS * (job.choice.coding.codec === 'identity' ? 1 : world.workerShare(nowMs));
      job.workMs += STEP_MS;
      if (job.workLeftMs <= 0) {
        job.isDone = true;
        choice?.observe(
          {
            coding: job.choice.coding,
            rawBytes: job.rawBytes,
            wireBytes: job.wireBytes,
            workMs: Math.max(job.workMs, 0.01),
            incompressible: job.incompressible,
            endOffset: job.endOffset,
          },
          nowMs,
        );
      }
    }
    // The link and the receiver.
    let room = (world.linkBytesPerSec(nowMs) * STEP_MS) / 1000;
    while (inLink.length > 0 && room > 0) {
      const head = inLink[0] as Sent;
      if (head.mark) {
        echoes.push(nowMs + world.roundTripMs);
        inLink.shift();
        continue;
      }
      if (toDecode > 8 * MIB) break;
      const moved = Math.min(room, head.wireLeft);
      head.wireLeft -= moved;
      room -= moved;
      if (head.wireLeft > 0) break;
      inLink.shift();
      toDecode += head.rawBytes;
      decodeQueue.push({ rawBytes: head.rawBytes, isCompressed: head.isCompressed });
    }
    while (choice !== undefined && echoes.length > 0 && (echoes[0] as number) <= nowMs) {
      echoes.shift();
      choice.link.echoed(nowMs);
    }
    let cpuMs = STEP_MS;
    while (decodeQueue.length > 0 && cpuMs > 0) {
      const head = decodeQueue[0] as { rawBytes: number; isCompressed: boolean };
      const perMs =
        Math.min(
          world.endsBytesPerSec,
          head.isCompressed ? world.decodedBytesPerSec : Number.POSITIVE_INFINITY,
        ) / 1000;
      const bytes = Math.min(head.rawBytes, cpuMs * perMs);
      head.rawBytes -= bytes;
      cpuMs -= bytes / perMs;
      toDecode -= bytes;
      received += bytes;
      if (head.rawBytes > 1) break;
      decodeQueue.shift();
    }
    // Writes.
    for (;;) {
      if (writing !== null) {
        if (queued() > world.bufferBytes) break;
        const tookMs = nowMs - writing.sinceMs;
        if (tookMs > 250) pieceBytes = Math.max(FIRST_BYTES, pieceBytes / 2);
        else if (tookMs < 50) pieceBytes = Math.min(SLAB_BYTES, pieceBytes * 2);
        writing = null;
        choice?.drained(nowMs);
        mark();
      }
      const head = jobs[0];
      if (head === undefined || !head.isDone) break;
      jobs.shift();
      writing = { job: head, sinceMs: nowMs };
      const coding = head.incompressible ? IDENTITY : head.choice.coding;
      codings[nameOfCoding(coding)] = (codings[nameOfCoding(coding)] ?? 0) + head.rawBytes;
      if ((world.kindAt(head.endOffset - 1) === 'text') === (coding.codec === 'identity'))
        wronglyCodedBytes += head.rawBytes;
      choice?.wrote(coding, head.rawBytes, head.wireBytes, nowMs);
      inLink.push({
        wireLeft: head.wireBytes,
        rawBytes: head.rawBytes,
        isCompressed: coding.codec !== 'identity',
        mark: false,
      });
    }
    while (receivedBytes.length < Math.floor(nowMs / 100)) receivedBytes.push(received);
  }
  return {
    receivedBytes,
    ms: nowMs,
    mibPerSec: received / MIB / (nowMs / 1000),
    switches: choice?.summary().switches ?? 0,
    codings,
    log,
    probes,
    wronglyCodedBytes,
  };
}

function jobOf(world: World, choice: Choice, offset: number, rawBytes: number): Job {
  const kind = world.kindAt(offset);
  const { codec } = choice.coding;
  const compresses = codec !== 'identity' && (kind === 'text' || !choice.probe);
  const coder = CODERS[nameOfCoding(choice.coding)] ?? { mibPerSec: READ_MIB_PER_SEC, ratio: 1 };
  const mibPerSec = !compresses ? READ_MIB_PER_SEC : kind === 'text' ? coder.mibPerSec : RANDOM_MIB_PER_SEC;
  const ratio = compresses && kind === 'text' ? coder.ratio : 1;
  return {
    choice,
    coding: choice.coding,
    rawBytes,
    wireBytes: Math.ceil(rawBytes * ratio) + 60,
    incompressible: codec !== 'identity' && kind === 'random',
    endOffset: offset + rawBytes,
    workLeftMs: (rawBytes / MIB / mibPerSec) * 1000 + (choice.probe ? PROBE_MS : 0) + 0.02,
    workMs: 0,
    isDone: false,
  };
}
