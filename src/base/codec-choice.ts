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
import {
  type Coding,
  IDENTITY,
  nameOfCoding,
  TYPICAL_BYTES_PER_MS,
  TYPICAL_RATIO,
  type TypicalCoding,
} from './coding.ts';
import { LinkMeter } from './link-meter.ts';
import { RateWindow } from './rate-window.ts';
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

/** A coding that does better than the one before it is kept for so long at the least; the more after many changes. */
const LEAST_DWELL_MS = 50;
const MOST_DWELL_MS = 500;

/** A mixture of data is judged over this. */
const OVERALL_MS = 300;

/** What windows and sockets hold of what was sent before; not waited for longer than this. */
const SETTLE_BYTES = 12 * MIB;
const SETTLE_MS = 300;

/** Speeds of workers slower than typical are believed so long after the last job. */
const SPEED_FORGOTTEN_MS = 4_000;

/** Jobs smaller than this measure more overhead than speed. */
const TELLING_JOB_BYTES = 128 * 1024;

/** How soon it is forgotten that the ends did less than workers' times promised: within 20 s. */
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
  /** Of its own writes since it was taken last. */
  readonly window = new RateWindow();
  /** What the link had sent when the window began. */
  fromBytes = 0;

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
  #learnedAtMs = 0;
  #startMs = -1;
  /** The present coding has not shown yet that it is better than the one before. */
  #isTrial = false;
  /** What the coding before the present one did. */
  #toBeat = 0;
  #dwellMs = LEAST_DWELL_MS;
  #settlesAtMs = 0;
  #settlesAtBytes = 0;
  #writeRaw = 0;
  /** All writes since the present coding was chosen. */
  readonly #overall = new RateWindow();
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
    const everyMs = Math.min(
      Math.max((nowMs - this.#gainlessSinceMs) * PROBE_SHARE, LEAST_PROBE_MS),
      MOST_PROBE_MS,
    );
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
    if (!job.incompressible && job.workMs > 0) this.#learn(this.#armOf(job.coding), job, nowMs);
  }

  /** A write of these bytes began. */
  wrote(coding: Coding, rawBytes: number, wireBytes: number, nowMs: number): void {
    this.#writing = this.#armOf(coding);
    this.#writing.sentBytes += rawBytes;
    this.#writeRaw = rawBytes;
    this.link.wrote(rawBytes, wireBytes, nowMs);
  }

  /** The outstanding write was taken. */
  drained(nowMs: number): void {
    const ms = this.link.drained(nowMs);
    const arm = this.#writing;
    if (arm === null || ms === 0) return;
    // Before full buffers, what was sent before is still what is being waited for.
    if (nowMs < this.#settlesAtMs && this.link.sentBytes < this.#settlesAtBytes) {
      arm.fromBytes = this.link.sentBytes;
      return;
    }
    arm.window.add(ms, this.#writeRaw, 0, 0);
    this.#overall.add(ms, this.#writeRaw, 0, 0);
  }

  /** Whether a mark should be put behind what was written; see `LinkMeter`. */
  wantsMark(nowMs: number): boolean {
    return this.link.wantsMark(nowMs, this.#isFirst || !this.#isKnown(this.#current, nowMs));
  }

  summary(): ChoiceSummary {
    const bytes: Record<string, number> = {};
    for (const { coding, sentBytes } of this.#arms)
      if (sentBytes > 0) bytes[nameOfCoding(coding)] = sentBytes;
    const ratio = this.#compressedRaw === 0 ? 0 : this.#compressedWire / this.#compressedRaw;
    return { bytes, switches: this.#switches, ratio, reason: this.#reason };
  }

  #decide(nowMs: number, workers: number): void {
    if (this.#startMs < 0) this.#startMs = nowMs;
    if (this.#writing !== null) this.#measure(this.#writing, nowMs, workers);
    if (!this.#mayLeave(nowMs)) return;
    if (this.#isOutdone(nowMs, workers)) return;
    const present = this.#predict(this.#current, nowMs, workers);
    // A trial that fails ends at once; what goes well is not given up in haste.
    if (present >= this.#toBeat && this.#isKnown(this.#current, nowMs)) this.#isTrial = false;
    const isFailing = this.#isTrial && present < this.#toBeat;
    if (!isFailing && !this.#isFirst && nowMs - this.#enteredAtMs < this.#dwellMs) return;
    let best = this.#current;
    let most = present;
    for (const arm of this.#arms) {
      if (arm === best) continue;
      const promised = this.#predict(arm, nowMs, workers);
      const needed = arm.speed > best.speed ? most * THRIFT : Math.max(most / THRIFT, present * GAIN);
      if (promised < needed) continue;
      best = arm;
      most = promised;
    }
    if (best !== this.#current) this.#enter(best, nowMs, present, most);
  }

  /**
   * Back to identity when all that was sent with the present choice, data that
   * does not get smaller included, came through slower than identity did.
   */
  #isOutdone(nowMs: number, workers: number): boolean {
    const { ms, rawBytes } = this.#overall.sums;
    const left = this.#current;
    if (left === this.#identity || ms < OVERALL_MS || nowMs >= this.#identity.trustedUntilMs) return false;
    const plain = this.#predict(this.#identity, nowMs, workers);
    const goodput = rawBytes / ms;
    if (plain < goodput * GAIN) return false;
    left.goodput = goodput;
    this.#enter(this.#identity, nowMs, goodput, plain);
    this.#settlesAtMs = nowMs + SETTLE_MS;
    return true;
  }

  /** Keeps what the writes of a coding show about what the ends can do with it. */
  #measure(arm: Arm, nowMs: number, workers: number): void {
    const { link } = this;
    const isFull = link.isFull(nowMs);
    if (isFull) this.#rateUntilMs = nowMs + this.#rateTrustMs;
    if (!this.#isKnown(arm, nowMs)) return;
    const { ms, rawBytes } = arm.window.sums;
    const goodput = rawBytes / ms;
    const isIdentity = arm === this.#identity;
    // A full link limits a compressed stream, not what its ends can do; unless it has just carried more.
    const hasCarriedMore =
      nowMs < this.#identity.trustedUntilMs && this.#identity.goodput > link.wireRate(nowMs) * 1.3;
    if (isFull && !isIdentity && !(hasCarriedMore && this.#isBusy(nowMs, workers))) {
      // So much it can do at the least.
      if (arm.goodput < goodput) arm.goodput = goodput;
      this.#yield = Math.max(this.#yield, Math.min(1, goodput / (this.#bytesPerMs * arm.speed * workers)));
      return;
    }
    // Between compressed stretches the receiver still decompresses, so that is no measure of identity.
    if (isIdentity && this.#current !== arm) return;
    arm.goodput = goodput;
    arm.trustedUntilMs = nowMs + arm.trustMs;
    if (isIdentity) return;
    this.#yield = Math.min(1, goodput / (this.#bytesPerMs * arm.speed * workers));
    this.#yieldAtMs = nowMs;
    // More came through compressed than plainly: what is known of the plain way is old.
    if (link.wireRate(nowMs) > this.#identity.goodput * 1.3) this.#identity.trustedUntilMs = 0;
  }

  /** Enough was sent by this coding, and enough of it has arrived, to judge it. */
  #isKnown(arm: Arm, nowMs: number): boolean {
    return arm.window.isTelling && this.link.isConfirmed(arm.fromBytes, arm.window.sums.ms, nowMs);
  }

  #mayLeave(nowMs: number): boolean {
    const { link } = this;
    if (this.#isFirst && link.isFull(nowMs)) return true;
    if (this.#isFirst && link.echoedBytes >= FIRST_LOOK_BYTES && link.queueMs(nowMs) < FIRST_LOOK_QUEUE_MS)
      return true;
    if (this.#isKnown(this.#current, nowMs)) return true;
    // Of data that gets no smaller, nothing of the present choice will be sent.
    return this.#isGainless && this.#isKnown(this.#identity, nowMs);
  }

  /** Raw bytes a millisecond that a coding should achieve now. */
  #predict(arm: Arm, nowMs: number, workers: number): number {
    const ratio = arm === this.#identity ? 1 : Math.min(1, this.#ratio * arm.size);
    const byLink = this.#linkRate(arm, nowMs, workers) / ratio;
    if (nowMs < arm.trustedUntilMs) return Math.min(byLink, arm.goodput);
    const guess = this.#estimate(arm, nowMs, workers);
    // Where the link decides, this is no guess.
    const isCertain = Number.isFinite(byLink) && byLink <= guess;
    if (isCertain || arm === this.#current || this.#mayTry(arm, nowMs)) return Math.min(byLink, guess);
    if (Number.isNaN(arm.goodput)) return arm.jobs > LEARNING_JOBS ? guess : 0;
    return Math.min(byLink, arm.goodput);
  }

  /** What the ends could do, by workers' times and by how far those were right before. */
  #estimate(arm: Arm, nowMs: number, workers: number): number {
    if (arm === this.#identity) return Number.POSITIVE_INFINITY;
    const regained = ((nowMs - this.#yieldAtMs) / 1000) * YIELD_REGAINED_PER_SEC;
    // Times measured long ago, perhaps while threads were starting, give way to typical ones.
    const oblivion = Math.min(1, Math.max(0, nowMs - this.#learnedAtMs) / SPEED_FORGOTTEN_MS);
    const bytesPerMs = this.#bytesPerMs + Math.max(0, TYPICAL_BYTES_PER_MS - this.#bytesPerMs) * oblivion;
    return bytesPerMs * arm.speed * workers * Math.min(1, this.#yield + regained);
  }

  /** Whether a trial that fails would still be within what trials may cost. */
  #mayTry(arm: Arm, nowMs: number): boolean {
    // Behind full buffers a trial shows nothing before they have drained.
    const costMs = arm === this.#identity && this.link.isFull(nowMs) ? SETTLE_MS : -FIRST_TRIALS_MS;
    return this.#failedTrialsMs + costMs <= (nowMs - this.#startMs) * TRIAL_SHARE;
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

  /** Whether so much is decompressed that the receiver may be what limits. */
  #isBusy(nowMs: number, workers: number): boolean {
    const { link } = this;
    const arm = this.#writing;
    if (arm === null || arm === this.#identity || !link.isSteady || !link.isBlocked(nowMs)) return false;
    if (link.isWorsening(nowMs)) return false;
    const decoded = link.rateBytesPerMs(nowMs) / (this.#ratio * arm.size);
    return decoded > LEAST_DECODED_BYTES_PER_MS * Math.min(1, workers);
  }

  #enter(arm: Arm, nowMs: number, present: number, promised: number): void {
    const left = this.#current;
    const tookMs = nowMs - this.#enteredAtMs;
    if (!this.#isFirst) {
      const isFailed = this.#isTrial;
      if (isFailed) this.#failedTrialsMs += tookMs;
      // What was good for long is looked at again soon.
      const isHasty = isFailed || tookMs < LEAST_TRUST_MS;
      left.trustMs = isHasty
        ? Math.min(Math.max(left.trustMs * 2, tookMs / TRIAL_SHARE), MOST_TRUST_MS)
        : LEAST_TRUST_MS;
      this.#dwellMs = isHasty
        ? Math.min(this.#dwellMs * 1.5, MOST_DWELL_MS)
        : Math.max(this.#dwellMs / 2, LEAST_DWELL_MS);
      if (!Number.isNaN(left.goodput))
        left.trustedUntilMs = Math.max(left.trustedUntilMs, nowMs + left.trustMs);
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
    this.#toBeat = present;
    arm.window.clear();
    this.#overall.clear();
    arm.fromBytes = this.link.sentBytes;
    const isBehind = this.link.isBlocked(nowMs);
    this.#settlesAtMs = isBehind ? nowMs + SETTLE_MS : nowMs;
    this.#settlesAtBytes = this.link.sentBytes + SETTLE_BYTES;
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

  #learn(arm: Arm, { rawBytes, wireBytes, workMs }: JobFacts, nowMs: number): void {
    this.#compressedRaw += rawBytes;
    this.#compressedWire += wireBytes;
    if (rawBytes < TELLING_JOB_BYTES) return;
    this.#learnedAtMs = nowMs;
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
