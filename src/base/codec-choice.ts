/**
 * Chooses, job by job, how the bytes of one stream are sent: as they are or by
 * one of the codings both ends have. Pure, without clocks or I/O of its own,
 * so that a server's downloads and a client's uploads share it.
 *
 *   goodput(coding) = min( link rate ÷ ratio , what the ends can do )
 *
 * The link rate is known while the link is full (`LinkMeter`). What the ends
 * can do is measured while a coding runs and the link is not full, by what
 * arrives; before that it is estimated from workers' times, and for identity
 * it is unknown, which counts as unlimited. So what was never tried looks
 * good, is tried, and is then known. Knowledge is trusted for a while, twice
 * as long each time it was found to hold: trials get rare.
 *
 * Data that does not get smaller is a matter of its own: it is sent as it is
 * whatever the measures say, with a cheap probe now and then, and only where
 * compressing would pay.
 */
import { type Coding, IDENTITY, nameOfCoding, TYPICAL_BYTES_PER_MS, TYPICAL_RATIO, type TypicalCoding } from './coding.ts';
import { LinkMeter } from './link-meter.ts';
import { MIB } from './units.ts';

/** A coding must promise this much more than the present one. */
const GAIN = 1.08;

/** A cheaper coding (identity is the cheapest) is taken when it loses no more than this. */
const THRIFT = 0.98;

/** How long a finding is trusted at first and at the most. */
const LEAST_TRUST_MS = 1_000;
const MOST_TRUST_MS = 64_000;

/** What trials that fail may cost: so much at first, and this share of the time. */
const FIRST_TRIALS_MS = 60;
const TRIAL_SHARE = 0.03;

/** How soon it is forgotten that the ends did less than workers' times promised: by half in 14 s. */
const YIELD_REGAINED_PER_SEC = 0.05;

/** The first coding is left when so many wire bytes have arrived and hardly waited. */
const FIRST_LOOK_BYTES = 256 * 1024;
const FIRST_LOOK_QUEUE_MS = 4;

/** Any receiver decompresses so many raw bytes a millisecond; where less comes through, the link is what limits. */
const LEAST_DECODED_BYTES_PER_MS = (80 * MIB) / 1000;

/** Jobs of a coding after which its relations to the others are known. */
const LEARNING_JOBS = 4;

/**
 * Between probes of data that does not get smaller, each a tenth of a
 * millisecond: 2 % of the time since it last did. A tar is followed from one
 * file to the next, and of a long noise nobody notices them.
 */
const PROBE_SHARE = 0.02;
const LEAST_PROBE_MS = 3;
const MOST_PROBE_MS = 20;

/** What a finished job tells. */
export interface JobFacts {
  readonly coding: Coding;
  readonly rawBytes: number;
  readonly wireBytes: number;
  /** In the worker. */
  readonly workMs: number;
  /** It was to be compressed, and did not get smaller. */
  readonly incompressible: boolean;
  /** Where in the file it ended. */
  readonly endOffset: number;
}

export interface Choice {
  readonly coding: Coding;
  /** Compress a sample first. */
  readonly probe: boolean;
}

/** What became of one stream: for logs. */
export interface ChoiceSummary {
  /** Raw bytes sent by each coding. */
  readonly bytes: Readonly<Record<string, number>>;
  readonly switches: number;
  /** Of the compressed jobs; 0 without any. */
  readonly ratio: number;
  /** Why the last coding was taken. */
  readonly reason: string;
}

class Arm {
  readonly coding: Coding;
  /** Over gzip 1; typical, until it was measured beside another coding. */
  speed: number;
  size: number;
  /** What it was measured to achieve while the link was not full, in raw bytes a millisecond; NaN when never. */
  goodput = Number.NaN;
  trustedUntilMs = 0;
  trustMs = LEAST_TRUST_MS;
  jobs = 0;
  sentBytes = 0;

  constructor(coding: Coding, speed: number, size: number) {
    this.coding = coding;
    this.speed = speed;
    this.size = size;
  }
}

export class CodecChoice {
  readonly link = new LinkMeter();
  /** The fastest first; identity is `arms[0]`. */
  readonly #arms: readonly Arm[];
  readonly #identity: Arm;
  #current: Arm;
  /** The coding of the last write. */
  #writing: Arm | null = null;
  #enteredAtMs = 0;
  #isFirst = true;
  /** Of gzip 1 on this data, as far as what was measured tells. */
  #bytesPerMs = TYPICAL_BYTES_PER_MS;
  #ratio = TYPICAL_RATIO;
  /** The link's rate is remembered until then although it is not full any more. */
  #rateUntilMs = 0;
  #rateTrustMs = LEAST_TRUST_MS;
  /** Data is not known to get smaller: probe. */
  #mustProbe = true;
  #isGainless = false;
  #knownUpToOffset = -1;
  #probedAtMs = Number.NEGATIVE_INFINITY;
  #gainlessSinceMs = 0;
  /** What the ends achieved over what workers' times promised. */
  #yield = 1;
  #yieldAtMs = 0;
  #startMs = -1;
  #isTrial = false;
  #failedTrialsMs = 0;
  #switches = 0;
  #reason = 'the first bytes';
  #compressedRaw = 0;
  #compressedWire = 0;

  /** `codings` from the fastest to the slowest, without identity; not empty. */
  constructor(codings: readonly TypicalCoding[]) {
    this.#identity = new Arm(IDENTITY, Number.POSITIVE_INFINITY, 0);
    this.#arms = [this.#identity, ...codings.map((each) => new Arm(each, each.speed, each.size))];
    // Compressing costs a fast link little in the first milliseconds; megabytes of plain bytes in a slow one's queues cost seconds.
    this.#current = this.#arms[1] ?? this.#identity;
  }

  /**
   * How the next job is to be coded.
   * @param workers how many workers this stream may count on, a fraction when others compete
   */
  next(nowMs: number, workers: number): Choice {
    this.#decide(nowMs, workers);
    if (this.#current === this.#identity) return { coding: IDENTITY, probe: false };
    if (!this.#isGainless) return { coding: this.#current.coding, probe: this.#mustProbe };
    const everyMs = Math.min(Math.max((nowMs - this.#gainlessSinceMs) * PROBE_SHARE, LEAST_PROBE_MS), MOST_PROBE_MS);
    const isDue = nowMs - this.#probedAtMs >= everyMs;
    return { coding: isDue ? this.#current.coding : IDENTITY, probe: isDue };
  }

  /** The choice was made into a job. */
  took(choice: Choice, nowMs: number): void {
    if (choice.probe) this.#probedAtMs = nowMs;
  }

  /** Raw bytes a millisecond of one worker with this coding. */
  bytesPerMs(coding: Coding): number {
    return this.#bytesPerMs * this.#armOf(coding).speed;
  }

  observe(job: JobFacts, nowMs: number): void {
    if (job.coding.codec === 'identity') return;
    this.#noteKind(job, nowMs);
    if (!job.incompressible && job.workMs > 0) this.#learn(this.#armOf(job.coding), job);
  }

  /** A write of these bytes began. */
  wrote(coding: Coding, rawBytes: number, wireBytes: number, nowMs: number): void {
    const arm = this.#armOf(coding);
    if (arm !== this.#writing) this.link.restart(nowMs);
    this.#writing = arm;
    arm.sentBytes += rawBytes;
    this.link.wrote(rawBytes, wireBytes, nowMs);
  }

  summary(): ChoiceSummary {
    const bytes: Record<string, number> = {};
    for (const { coding, sentBytes } of this.#arms) if (sentBytes > 0) bytes[nameOfCoding(coding)] = sentBytes;
    const ratio = this.#compressedRaw === 0 ? 0 : this.#compressedWire / this.#compressedRaw;
    return { bytes, switches: this.#switches, ratio, reason: this.#reason };
  }

  #decide(nowMs: number, workers: number): void {
    if (this.#startMs < 0) this.#startMs = nowMs;
    this.#measure(nowMs, workers);
    if (!this.#mayLeave(nowMs)) return;
    const present = this.#predict(this.#current, nowMs, workers);
    let best = this.#current;
    let most = present;
    for (const arm of this.#arms) {
      if (arm === best) continue;
      const promised = this.#predict(arm, nowMs, workers);
      const needed = arm.speed > best.speed ? most * THRIFT : Math.max(most, present * GAIN);
      if (promised < needed) continue;
      best = arm;
      most = promised;
    }
    if (best !== this.#current) this.#enter(best, nowMs, present, most);
  }

  /** Keeps what the present window shows about the coding that is being written. */
  #measure(nowMs: number, workers: number): void {
    const { link } = this;
    const arm = this.#writing;
    const goodput = link.goodput(nowMs);
    if (arm === null || Number.isNaN(goodput) || !link.isConfirmed(nowMs)) return;
    const isIdentity = arm === this.#identity;
    if (link.isFull(nowMs)) this.#rateUntilMs = nowMs + this.#rateTrustMs;
    // A full link limits a compressed stream, not what its ends can do; unless it has just carried more.
    const isEnds = this.#isBusy(nowMs, workers) && nowMs < this.#identity.trustedUntilMs && this.#identity.goodput > link.wireRate(nowMs) * 1.3;
    if (link.isFull(nowMs) && !isIdentity && !isEnds) return;
    arm.goodput = goodput;
    arm.trustedUntilMs = nowMs + arm.trustMs;
    if (isIdentity) return;
    this.#yield = Math.min(1, goodput / (this.#bytesPerMs * arm.speed * workers));
    this.#yieldAtMs = nowMs;
    // More came through compressed than plainly: what is known of the plain way is old.
    if (link.wireRate(nowMs) > this.#identity.goodput * 1.3) this.#identity.trustedUntilMs = 0;
  }

  #mayLeave(nowMs: number): boolean {
    const { link } = this;
    if (this.#isFirst && link.echoedBytes >= FIRST_LOOK_BYTES && link.queueMs(nowMs) < FIRST_LOOK_QUEUE_MS) return true;
    if (this.#isFirst && link.isFull(nowMs)) return true;
    // Nothing of the present choice was sent yet; of data that gets no smaller nothing ever will be.
    const isWritten = this.#writing === this.#current || (this.#isGainless && this.#writing === this.#identity);
    return isWritten && link.isConfirmed(nowMs) && !Number.isNaN(link.goodput(nowMs));
  }

  /** Raw bytes a millisecond that a coding should achieve now. */
  #predict(arm: Arm, nowMs: number, workers: number): number {
    const ratio = arm === this.#identity ? 1 : Math.min(1, this.#ratio * arm.size);
    const byLink = this.#linkRate(arm, nowMs, workers) / ratio;
    if (nowMs < arm.trustedUntilMs) return Math.min(byLink, arm.goodput);
    const guess = this.#estimate(arm, nowMs, workers);
    // Where the link decides, this is no guess.
    if (byLink <= guess || arm === this.#current || this.#mayTry(nowMs)) return Math.min(byLink, guess);
    return Number.isNaN(arm.goodput) ? 0 : Math.min(byLink, arm.goodput);
  }

  /** What the ends could do, by workers' times and by how far those were right before. */
  #estimate(arm: Arm, nowMs: number, workers: number): number {
    if (arm === this.#identity) return Number.POSITIVE_INFINITY;
    const regained = 1 + ((nowMs - this.#yieldAtMs) / 1000) * YIELD_REGAINED_PER_SEC;
    return this.#bytesPerMs * arm.speed * workers * Math.min(1, this.#yield * regained);
  }

  #mayTry(nowMs: number): boolean {
    return this.#failedTrialsMs <= FIRST_TRIALS_MS + (nowMs - this.#startMs) * TRIAL_SHARE;
  }

  /** Wire bytes a millisecond, as far as they bear on this coding. */
  #linkRate(arm: Arm, nowMs: number, workers: number): number {
    const { link } = this;
    const rate = link.rateBytesPerMs(nowMs);
    if (link.isFull(nowMs)) {
      // While much is compressed, the receiver's decompression may be what fills the link's queues.
      const isDoubtful = arm === this.#identity && this.#isBusy(nowMs, workers);
      return isDoubtful ? Number.POSITIVE_INFINITY : rate;
    }
    const isRemembered = nowMs < this.#rateUntilMs && rate > link.wireRate(nowMs) * GAIN;
    return isRemembered ? rate : Number.POSITIVE_INFINITY;
  }

  /** Whether the ends do so much compressing that they may be what limits. */
  #isBusy(nowMs: number, workers: number): boolean {
    const arm = this.#writing;
    if (arm === null || arm === this.#identity || !this.link.hasEchoes || !this.link.isBlocked(nowMs)) return false;
    return this.link.rateBytesPerMs(nowMs) / (this.#ratio * arm.size) > LEAST_DECODED_BYTES_PER_MS * Math.min(1, workers);
  }

  #enter(arm: Arm, nowMs: number, present: number, promised: number): void {
    const left = this.#current;
    const tookMs = nowMs - this.#enteredAtMs;
    if (!this.#isFirst) {
      // What is left soon was a trial that failed; what was good for long is looked at again soon.
      const hasFailed = tookMs < LEAST_TRUST_MS;
      if (hasFailed && this.#isTrial) this.#failedTrialsMs += tookMs;
      left.trustMs = hasFailed ? Math.min(MOST_TRUST_MS, left.trustMs * 2) : LEAST_TRUST_MS;
      if (!Number.isNaN(left.goodput)) left.trustedUntilMs = Math.max(left.trustedUntilMs, nowMs + left.trustMs);
      if (left === this.#identity) {
        this.#rateTrustMs = left.trustMs;
        this.#rateUntilMs = Math.max(this.#rateUntilMs, nowMs + left.trustMs);
      }
      this.#switches += 1;
    }
    this.#isFirst = false;
    this.#isTrial = nowMs >= arm.trustedUntilMs;
    this.#current = arm;
    this.#enteredAtMs = nowMs;
    this.#reason = reasonOf(left, present, arm, promised, this.link.isFull(nowMs));
  }

  #noteKind(job: JobFacts, nowMs: number): void {
    // Several jobs are under way when the bytes change their kind; the older ones tell nothing new.
    if (job.endOffset <= this.#knownUpToOffset) return;
    this.#knownUpToOffset = job.endOffset;
    this.#mustProbe = job.incompressible;
    if (job.incompressible && !this.#isGainless) this.#gainlessSinceMs = nowMs;
    this.#isGainless = job.incompressible;
  }

  #learn(arm: Arm, { rawBytes, wireBytes, workMs }: JobFacts): void {
    this.#compressedRaw += rawBytes;
    this.#compressedWire += wireBytes;
    const rate = rawBytes / workMs;
    const ratio = wireBytes / rawBytes;
    arm.jobs += 1;
    const knowsOthers = this.#arms.some((other) => other !== arm && other.jobs > LEARNING_JOBS);
    if (arm.jobs <= LEARNING_JOBS && knowsOthers) {
      // The first jobs show how this coding relates to what was measured with another one.
      arm.speed += (rate / this.#bytesPerMs - arm.speed) / (arm.jobs + 1);
      arm.size += (ratio / this.#ratio - arm.size) / (arm.jobs + 1);
      return;
    }
    const weight = Math.max(1 / 8, 1 / arm.jobs);
    this.#bytesPerMs += (rate / arm.speed - this.#bytesPerMs) * weight;
    this.#ratio += (ratio / arm.size - this.#ratio) * weight;
  }

  #armOf({ codec, level }: Coding): Arm {
    const found = this.#arms.find(({ coding }) => coding.codec === codec && coding.level === level);
    if (found === undefined) throw new Error(`${codec} ${level} is not one of the codings to choose from`);
    return found;
  }
}

function reasonOf(left: Arm, present: number, taken: Arm, promised: number, isFull: boolean): string {
  const where = isFull ? 'the link is full' : 'the link has room';
  const gain = Number.isFinite(promised) ? `${mibPerSec(promised)} expected` : 'to be tried';
  return `${where}: ${nameOfCoding(taken.coding)} ${gain}, ${nameOfCoding(left.coding)} ${mibPerSec(present)}`;
}

function mibPerSec(bytesPerMs: number): string {
  return Number.isFinite(bytesPerMs) ? `${((bytesPerMs * 1000) / 2 ** 20).toFixed(1)} MiB/s` : 'unknown';
}
