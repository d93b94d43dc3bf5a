/**
 * A transfer in virtual time: workers that compress, one write at a time, a
 * link with a queue, a receiver that decompresses. Everything that a choice of
 * codings sees of the world, and nothing of a real clock.
 */

import { type CodecName, type Coding, codingsFor, IDENTITY, nameOfCoding } from '../../src/base/coding.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { type Choice, CodecChoice } from '../../src/compression/codec-choice.ts';

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
  /** Raw bytes a second that the ends move at the most, at a moment, and that the receiver decompresses. */
  endsBytesPerSec(nowMs: number): number;
  decodedBytesPerSec: number;
  kindAt(offset: number): DataKind;
  /** Share of the time, in stretches of 20 ms, for which each thread waits for its turn. */
  pauses: number;
  /** False for a sender that cannot ask whether its bytes have arrived. */
  hasBarriers: boolean;
}

const FAST_WORLD: World = {
  linkBytesPerSec: () => 1000 * MIB,
  bufferBytes: 4 * MIB,
  roundTripMs: 0.5,
  threads: 2,
  workerShare: () => 1,
  endsBytesPerSec: () => 500 * MIB,
  decodedBytesPerSec: 600 * MIB,
  kindAt: () => 'text',
  hasBarriers: true,
  pauses: 0,
};

/** Raw MiB a second of a worker and the ratio, as measured; not what the choice believes to be typical. */
const CODERS: Readonly<Record<string, { mibPerSec: number; ratio: number }>> = {
  'gzip 1': { mibPerSec: 200, ratio: 0.227 },
  'gzip 4': { mibPerSec: 140, ratio: 0.192 },
  'gzip 6': { mibPerSec: 65, ratio: 0.18 },
  'brotli 0': { mibPerSec: 480, ratio: 0.229 },
  'brotli 1': { mibPerSec: 258, ratio: 0.214 },
  'zstd 1': { mibPerSec: 430, ratio: 0.209 },
  'zstd 3': { mibPerSec: 330, ratio: 0.195 },
};

const RANDOM_MIB_PER_SEC = 75;
const READ_MIB_PER_SEC = 4000;
const PROBE_MS = 0.1;
const POST_MS = 0.02;
const JOB_MS = 5;
const JOBS_IN_FLIGHT = 3;
const SLAB_BYTES = 512 * KIB;
const FIRST_BYTES = 64 * KIB;
const CHUNK_BYTES = 256 * KIB;
const HEADER_BYTES = 60;
/** Of the stream: what is sent and not decompressed yet, as sent. */
const WINDOW_BYTES = 8 * MIB;
const STEP_MS = 0.1;
const PAUSE_MS = 20;

export type Strategy = Coding | 'auto';

export interface Outcome {
  /** Raw bytes that were received and decompressed by the end of each 100 ms. */
  readonly receivedBytes: readonly number[];
  readonly ms: number;
  readonly mibPerSec: number;
  readonly switches: number;
  /** Each change of mind with its time and reason. */
  readonly log: readonly string[];
  readonly probes: number;
  /** Text sent as it is, and random bytes compressed in vain. */
  readonly wronglyCodedBytes: number;
}

interface Job {
  readonly choice: Choice;
  readonly rawBytes: number;
  readonly wireBytes: number;
  readonly incompressible: boolean;
  readonly endOffset: number;
  workLeftMs: number;
  workMs: number;
  isDone: boolean;
}

/** Bytes on their way, or a barrier behind them. */
interface Sent {
  wireLeft: number;
  readonly wireBytes: number;
  rawBytes: number;
  isCompressed: boolean;
  isBarrier: boolean;
}

export interface SimulationOptions {
  codecs?: readonly CodecName[];
  /** Gives up then. */
  limitMs?: number;
}

/** Sends `fileBytes` and returns how that went. */
export function simulate(
  world: Partial<World>,
  strategy: Strategy,
  fileBytes: number,
  options: SimulationOptions = {},
): Outcome {
  return new Simulation({ ...FAST_WORLD, ...world }, strategy, fileBytes, options).run(
    options.limitMs ?? 600_000,
  );
}

class Simulation {
  readonly #world: World;
  readonly #strategy: Strategy;
  readonly #fileBytes: number;
  readonly #choice: CodecChoice | undefined;
  readonly #jobs: Job[] = [];
  readonly #inLink: Sent[] = [];
  readonly #echoesAtMs: number[] = [];
  readonly #toDecode: Sent[] = [];
  readonly #receivedBytes: number[] = [];
  readonly #log: string[] = [];
  #nowMs = 0;
  #offset = 0;
  #pieceBytes = FIRST_BYTES;
  #writeAtMs = -1;
  #queuedBytes = 0;
  #inFlightBytes = 0;
  #received = 0;
  #probes = 0;
  #wronglyCodedBytes = 0;
  #reason = '';

  constructor(world: World, strategy: Strategy, fileBytes: number, { codecs = ['gzip'] }: SimulationOptions) {
    this.#world = world;
    this.#strategy = strategy;
    this.#fileBytes = fileBytes;
    this.#choice = strategy === 'auto' ? new CodecChoice(codingsFor(codecs, 6)) : undefined;
  }

  run(limitMs: number): Outcome {
    this.#sendBarrier();
    while (this.#received < this.#fileBytes - KIB && this.#nowMs < limitMs) {
      this.#nowMs += STEP_MS;
      const isSending = !this.#isPaused(0);
      if (isSending) this.#post();
      this.#work();
      this.#carry();
      if (isSending) this.#echo();
      if (!this.#isPaused(1)) this.#decode();
      if (isSending) this.#write();
      while (this.#receivedBytes.length < Math.floor(this.#nowMs / 100))
        this.#receivedBytes.push(this.#received);
    }
    return {
      receivedBytes: this.#receivedBytes,
      ms: this.#nowMs,
      mibPerSec: this.#received / MIB / (this.#nowMs / 1000),
      switches: this.#choice?.summary().switches ?? 0,
      log: this.#log,
      probes: this.#probes,
      wronglyCodedBytes: this.#wronglyCodedBytes,
    };
  }

  /** Whether a thread waits for its turn now: the sender's loop, the receiver's, then workers. */
  #isPaused(who: number): boolean {
    if (this.#world.pauses === 0) return false;
    // Noise that is the same each time.
    let hash = Math.imul(Math.floor(this.#nowMs / PAUSE_MS) * 8 + who, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    hash ^= hash >>> 13;
    return (hash >>> 0) / 2 ** 32 < this.#world.pauses;
  }

  #post(): void {
    while (this.#offset < this.#fileBytes && this.#jobs.length < JOBS_IN_FLIGHT) {
      const choice = this.#next();
      this.#choice?.took(choice, this.#nowMs);
      if (choice.probe) this.#probes += 1;
      const rawBytes = Math.min(
        this.#pieceBytes,
        this.#jobBytes(choice.coding),
        this.#fileBytes - this.#offset,
      );
      this.#jobs.push(jobOf(this.#world, choice, this.#offset, rawBytes));
      this.#offset += rawBytes;
    }
  }

  #next(): Choice {
    if (this.#choice === undefined) return { coding: this.#strategy as Coding, probe: false };
    const choice = this.#choice.next(this.#nowMs, Math.min(JOBS_IN_FLIGHT, this.#world.threads));
    const { reason } = this.#choice.summary();
    if (reason !== this.#reason) this.#log.push(`${this.#nowMs.toFixed(0)} ms: ${reason}`);
    this.#reason = reason;
    return choice;
  }

  /** As long as the engine makes jobs. */
  #jobBytes(coding: Coding): number {
    if (coding.codec === 'identity') return SLAB_BYTES;
    const bytes = (this.#choice?.bytesPerMs(coding) ?? 200 * KIB) * JOB_MS;
    return Math.min(SLAB_BYTES, Math.max(CHUNK_BYTES, bytes - (bytes % CHUNK_BYTES)));
  }

  #work(): void {
    let worker = 0;
    for (let index = 0; index < this.#jobs.length && worker < this.#world.threads; index++) {
      const job = this.#jobs[index] as Job;
      if (job.isDone) continue;
      job.workMs += STEP_MS;
      if (!this.#isPaused(2 + worker)) this.#advance(job);
      worker += 1;
    }
  }

  #advance(job: Job): void {
    const isReading = job.choice.coding.codec === 'identity';
    job.workLeftMs -= STEP_MS * (isReading ? 1 : this.#world.workerShare(this.#nowMs));
    if (job.workLeftMs > 0) return;
    job.isDone = true;
    const { choice, endOffset, incompressible, rawBytes, wireBytes, workMs } = job;
    const facts = { coding: choice.coding, endOffset, incompressible, rawBytes, wireBytes, workMs };
    this.#choice?.observe(facts, this.#nowMs);
  }

  /** Bytes and barriers through the link, in order. */
  #carry(): void {
    let room = (this.#world.linkBytesPerSec(this.#nowMs) * STEP_MS) / 1000;
    for (let head = this.#inLink[0]; head !== undefined && room > 0; head = this.#inLink[0]) {
      const moved = Math.min(room, head.wireLeft);
      head.wireLeft -= moved;
      this.#queuedBytes -= moved;
      room -= moved;
      if (head.wireLeft > 0) return;
      this.#inLink.shift();
      if (head.isBarrier) {
        this.#echoesAtMs.push(this.#nowMs + this.#world.roundTripMs + (this.#isPaused(1) ? PAUSE_MS : 0));
      } else {
        this.#toDecode.push(head);
      }
    }
  }

  #echo(): void {
    while ((this.#echoesAtMs[0] ?? Number.POSITIVE_INFINITY) <= this.#nowMs) {
      this.#echoesAtMs.shift();
      this.#choice?.link.echoed(this.#nowMs);
    }
  }

  #decode(): void {
    const { decodedBytesPerSec } = this.#world;
    const endsBytesPerSec = this.#world.endsBytesPerSec(this.#nowMs);
    let leftMs = STEP_MS;
    for (let head = this.#toDecode[0]; head !== undefined && leftMs > 0; head = this.#toDecode[0]) {
      const bytesPerMs =
        Math.min(endsBytesPerSec, head.isCompressed ? decodedBytesPerSec : endsBytesPerSec) / 1000;
      const bytes = Math.min(head.rawBytes, leftMs * bytesPerMs);
      head.rawBytes -= bytes;
      leftMs -= bytes / bytesPerMs;
      this.#received += bytes;
      if (head.rawBytes > 1) return;
      this.#inFlightBytes -= head.wireBytes;
      this.#toDecode.shift();
    }
  }

  /** One write is outstanding until it fits the buffers. */
  #write(): void {
    for (;;) {
      if (this.#writeAtMs >= 0) {
        // The window of the stream closes behind a slow receiver; barriers still pass.
        if (this.#inFlightBytes > WINDOW_BYTES || this.#queuedBytes > this.#world.bufferBytes) return;
        this.#drained(this.#nowMs - this.#writeAtMs);
      }
      const head = this.#jobs[0];
      if (head === undefined || !head.isDone) return;
      this.#jobs.shift();
      this.#send(head);
    }
  }

  #drained(tookMs: number): void {
    if (tookMs > 250) this.#pieceBytes = Math.max(FIRST_BYTES, this.#pieceBytes / 2);
    else if (tookMs < 50) this.#pieceBytes = Math.min(SLAB_BYTES, this.#pieceBytes * 2);
    this.#writeAtMs = -1;
    this.#choice?.drained(this.#nowMs);
    this.#sendBarrier();
  }

  #send({ choice, endOffset, incompressible, rawBytes, wireBytes }: Job): void {
    const coding = incompressible ? IDENTITY : choice.coding;
    const isCompressed = coding.codec !== 'identity';
    if ((this.#world.kindAt(endOffset - 1) === 'text') !== isCompressed) this.#wronglyCodedBytes += rawBytes;
    this.#writeAtMs = this.#nowMs;
    this.#choice?.wrote(coding, rawBytes, wireBytes, this.#nowMs);
    this.#queuedBytes += wireBytes;
    this.#inFlightBytes += wireBytes;
    this.#inLink.push({ wireLeft: wireBytes, wireBytes, rawBytes, isCompressed, isBarrier: false });
  }

  #sendBarrier(): void {
    if (!this.#world.hasBarriers || !this.#choice?.wantsBarrier(this.#nowMs)) return;
    this.#choice.link.barrierSent(this.#nowMs);
    this.#inLink.push({ wireLeft: 0, wireBytes: 0, rawBytes: 0, isCompressed: false, isBarrier: true });
  }
}

function jobOf(world: World, choice: Choice, offset: number, rawBytes: number): Job {
  const isText = world.kindAt(offset) === 'text';
  const isToCompress = choice.coding.codec !== 'identity';
  const compresses = isToCompress && (isText || !choice.probe);
  const coder = CODERS[nameOfCoding(choice.coding)] ?? { mibPerSec: READ_MIB_PER_SEC, ratio: 1 };
  const compressedMibPerSec = isText ? coder.mibPerSec : RANDOM_MIB_PER_SEC;
  const mibPerSec = compresses ? compressedMibPerSec : READ_MIB_PER_SEC;
  return {
    choice,
    rawBytes,
    wireBytes: Math.ceil(rawBytes * (compresses && isText ? coder.ratio : 1)) + HEADER_BYTES,
    incompressible: isToCompress && !isText,
    endOffset: offset + rawBytes,
    workLeftMs: (rawBytes / MIB / mibPerSec) * 1000 + (choice.probe ? PROBE_MS : 0) + POST_MS,
    workMs: 0,
    isDone: false,
  };
}
