/**
 * Chooses, job by job, how the bytes of one stream are sent: as they are or by
 * one of the codings both ends have. Pure, without clocks or I/O of its own,
 * so that a server's downloads and a client's uploads share it.
 *
 *   goodput(coding) = min( link rate ÷ ratio , what the ends can do )
 *
 * The link rate is known while the link is full (`LinkMeter`). What the ends
 * can do is measured while a coding runs and the link is not full; before that
 * it is estimated from workers' times (`CodingPace`), and for identity it is
 * unknown, which counts as unlimited. So what was never tried looks good, is
 * tried, and is then known. Knowledge is trusted for a while, longer each time
 * a trial failed, and all failed trials together may cost 3 % of the time.
 *
 * Data that does not get smaller is a matter of its own (`DataKind`).
 */
import { type Coding, IDENTITY, nameOfCoding, type TypicalCoding } from './coding.ts';
import { CodingArm, LEAST_TRUST_MS, TRIAL_SHARE } from './coding-arm.ts';
import { CodingPace, LEARNING_JOBS } from './coding-pace.ts';
import { DataKind } from './data-kind.ts';
import { LinkMeter } from './link-meter.ts';
import { RateWindow } from './rate-window.ts';
import { MIB } from './units.ts';

/** A coding must promise this much more than the present one. */
const GAIN = 1.08;

/** A cheaper coding (identity is the cheapest) is taken when it loses no more than this. */
const THRIFT = 0.98;

/** The same for identity while the link has room: compressing then spends processors of both ends, which others may need. */
const ROOM_THRIFT = 0.8;

/** Trials may cost so much before they have had time to earn it. */
const FIRST_TRIALS_MS = 60;

/** A coding that does better than the one before it is kept for so long at the least; the more after many changes. */
const LEAST_DWELL_MS = 50;
const MOST_DWELL_MS = 500;

/** A trial of identity sends so much before the first of it has arrived. */
const TASTE_BYTES = 256 * 1024;

/** A mixture of data is judged over this. */
const OVERALL_MS = 300;

/** What windows and sockets hold of what was sent before; not waited for longer than this. */
const SETTLE_BYTES = 12 * MIB;
const SETTLE_MS = 300;

/** The first coding is left when so many wire bytes have arrived and hardly waited. */
const FIRST_LOOK_BYTES = 256 * 1024;
const FIRST_LOOK_QUEUE_MS = 4;

/**
 * So much was sent before anything is known to have arrived: the link is slow, or far. What comes behind it has time to
 * be compressed well, but for a far link no slower than this. Where nothing ever says what has arrived, that ends with
 * the second.
 */
const AHEAD_BYTES = 512 * 1024;
const AHEAD_BYTES_PER_MS = (150 * MIB) / 1000;
const BLIND_BYTES = 4 * MIB;

/** Any receiver decompresses so many raw bytes a millisecond; where less comes through, the link is what limits. */
const LEAST_DECODED_BYTES_PER_MS = (80 * MIB) / 1000;

/** A coding that lost to a rate of which later no more than this is left has not lost. */
const KEPT_PROMISE = 0.7;

/** So much more than what passes now, and a rate seen before was another one. */
const OTHER_RATE = 1.3;

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

const PLAIN: Choice = { coding: IDENTITY, probe: false };

export class CodecChoice {
  readonly link = new LinkMeter();
  readonly #pace = new CodingPace();
  readonly #data = new DataKind();
  readonly #identity = new CodingArm({ ...IDENTITY, speed: Number.POSITIVE_INFINITY, size: 1 });
  /** The cheapest first: identity, then from the fastest to the slowest. */
  readonly #arms: readonly CodingArm[];
  #current: CodingArm;
  /** The coding before it. */
  #before: CodingArm;
  #enteredAtMs = 0;
  #enteredAtBytes = 0;
  #isFirst = true;
  /** The present coding has not shown yet that it is better than the one before, which did `toBeat`. */
  #isTrial = false;
  #toBeat = 0;
  #failedTrialsMs = 0;
  /** The last coding whose trial failed, and the rate that it did not reach. */
  #loser: CodingArm | null = null;
  #lostTo = 0;
  #startMs = -1;
  #dwellMs = LEAST_DWELL_MS;
  #switches = 0;
  #reason = 'the first bytes';
  /** The coding of the last write. */
  #writing: CodingArm | null = null;
  #writeRaw = 0;
  /** All writes since the present coding was chosen, once what was sent before it is out of the way. */
  readonly #overall = new RateWindow();
  #settlesAtMs = 0;
  #settlesAtBytes = 0;
  /** The rate of a full link is remembered until then although it is not full any more. */
  #rateUntilMs = 0;

  /** `codings` from the fastest to the slowest, without identity; not empty. */
  constructor(codings: readonly TypicalCoding[]) {
    this.#arms = [this.#identity, ...codings.map((each) => new CodingArm(each))];
    // Compressing costs a fast link little in the first milliseconds; megabytes of plain bytes in a slow one's queues cost seconds.
    this.#current = this.#arms[1] ?? this.#identity;
    this.#before = this.#current;
  }

  /**
   * How the next job is to be coded.
   * @param workers how many workers this stream may count on, a fraction when others compete
   */
  next(nowMs: number, workers: number): Choice {
    this.#decide(nowMs, workers);
    if (this.#current === this.#identity && !this.#isHeldBack()) return PLAIN;
    const taken = this.#current === this.#identity ? this.#before : this.#current;
    const { coding } = this.#isFarAhead ? this.#thorough(nowMs, workers) : taken;
    if (!this.#data.isGainless) return { coding, probe: this.#data.mustProbe };
    return this.#data.isProbeDue(nowMs) ? { coding, probe: true } : PLAIN;
  }

  /** The choice was made into a job. */
  took(choice: Choice, nowMs: number): void {
    if (choice.probe) this.#data.probed(nowMs);
  }

  /** Raw bytes a millisecond of one worker with this coding. */
  bytesPerMs(coding: Coding): number {
    return this.#pace.bytesPerMs(this.#armOf(coding));
  }

  observe(job: JobFacts, nowMs: number): void {
    if (job.coding.codec === 'identity') return;
    this.#data.observe(job.incompressible, job.endOffset, nowMs);
    if (job.incompressible) return;
    this.#pace.learn(this.#armOf(job.coding), this.#arms, job.rawBytes, job.wireBytes, job.workMs, nowMs);
  }

  /** A write of these bytes began. */
  wrote(coding: Coding, rawBytes: number, wireBytes: number, nowMs: number): void {
    this.#writing = this.#armOf(coding);
    this.#writing.sentBytes += rawBytes;
    this.#writeRaw = rawBytes;
    this.link.wrote(rawBytes, wireBytes, nowMs);
  }

  /** Bytes coded by this choice that went another way than the writes it judges by: they count in the summary. */
  noteAside(coding: Coding, rawBytes: number): void {
    this.#armOf(coding).sentBytes += rawBytes;
  }

  /** The outstanding write was taken. */
  drained(nowMs: number): void {
    const ms = this.link.drained(nowMs);
    const arm = this.#writing;
    if (arm === null || ms === 0) return;
    if (nowMs < this.#settlesAtMs && this.link.sentBytes < this.#settlesAtBytes) {
      arm.fromBytes = this.link.sentBytes;
      return;
    }
    arm.window.add(ms, this.#writeRaw, 0, 0);
    this.#overall.add(ms, this.#writeRaw, 0, 0);
  }

  /** Whether a mark should be put behind what was written; see `LinkMeter`. */
  wantsMark(nowMs: number): boolean {
    // Of data that gets no smaller, nothing is found out about the present choice.
    const isFindingOut = !this.#data.isGainless && !this.#isKnown(this.#current, nowMs);
    return this.link.wantsMark(nowMs, this.#isFirst || isFindingOut);
  }

  summary(): ChoiceSummary {
    const bytes: Record<string, number> = {};
    for (const { coding, sentBytes } of this.#arms)
      if (sentBytes > 0) bytes[nameOfCoding(coding)] = sentBytes;
    const { rawBytes, wireBytes } = this.#pace;
    return {
      bytes,
      switches: this.#switches,
      ratio: rawBytes === 0 ? 0 : wireBytes / rawBytes,
      reason: this.#reason,
    };
  }

  get #isFarAhead(): boolean {
    const aheadBytes = this.link.sentBytes - this.link.echoedBytes;
    return this.#isFirst && aheadBytes > AHEAD_BYTES && aheadBytes < BLIND_BYTES;
  }

  /** The coding that makes the least of the data without taking long. */
  #thorough(nowMs: number, workers: number): CodingArm {
    const isFast = (arm: CodingArm) => this.#pace.estimate(arm, workers, nowMs) >= AHEAD_BYTES_PER_MS;
    return this.#arms.slice(1).findLast(isFast) ?? this.#current;
  }

  /** Plain bytes are on their way for a trial, and whether the link takes them is not known yet: seconds of a slow one. */
  #isHeldBack(): boolean {
    const sentBytes = this.link.sentBytes - this.#enteredAtBytes;
    return this.#isTrial && this.link.hasEchoes && sentBytes > TASTE_BYTES && !this.#hasTasted;
  }

  /** What a trial of plain bytes sent first has arrived. */
  get #hasTasted(): boolean {
    return this.link.echoedBytes >= this.#enteredAtBytes + TASTE_BYTES;
  }

  #decide(nowMs: number, workers: number): void {
    if (this.#startMs < 0) this.#startMs = nowMs;
    if (this.#writing !== null) this.#measure(this.#writing, nowMs, workers);
    if (!this.#mayLeave(nowMs) || this.#isOutdone(nowMs, workers)) return;
    const present = this.#predict(this.#current, nowMs, workers);
    if (present >= this.#toBeat && this.#isKnown(this.#current, nowMs)) this.#isTrial = false;
    // A trial that fails ends at once; what goes well is not given up in haste.
    const isFailing = this.#isTrial && present < this.#toBeat;
    if (!isFailing && !this.#isFirst && nowMs - this.#enteredAtMs < this.#dwellMs) return;
    this.#takeBest(present, nowMs, workers);
  }

  #takeBest(present: number, nowMs: number, workers: number): void {
    let best = this.#current;
    let most = present;
    const plainThrift = this.link.isFull(nowMs) ? THRIFT : ROOM_THRIFT;
    for (const arm of this.#arms) {
      if (arm === best) continue;
      const promised = this.#predict(arm, nowMs, workers);
      const thrift = arm === this.#identity || best === this.#identity ? plainThrift : THRIFT;
      const needed = arm.speed > best.speed ? most * thrift : Math.max(most / thrift, present * GAIN);
      if (promised < needed) continue;
      best = arm;
      most = promised;
    }
    if (best !== this.#current) this.#enter(best, nowMs, present, most);
  }

  /** Keeps what the writes of a coding show about what the ends can do with it. */
  #measure(arm: CodingArm, nowMs: number, workers: number): void {
    const { link } = this;
    const isFull = link.isFull(nowMs);
    if (isFull) this.#rateUntilMs = nowMs + this.#identity.trustMs;
    // The first pieces are small and threads may be starting: no measure of anything.
    if (this.#isFirst || !this.#isKnown(arm, nowMs)) return;
    const { ms, rawBytes } = arm.window.sums;
    const goodput = rawBytes / ms;
    if (arm === this.#identity) {
      // Between compressed stretches the receiver still decompresses, so that is no measure of identity.
      if (this.#current === arm) arm.found(goodput, nowMs);
      return;
    }
    if (isFull && !this.#isBehindReceiver(nowMs, workers)) {
      // A full link limits the stream, not its ends: so much they can do at the least.
      arm.goodput = Math.max(goodput, arm.goodput || 0);
      this.#pace.achieved(arm, goodput, workers, true, nowMs);
      return;
    }
    arm.found(goodput, nowMs);
    this.#pace.achieved(arm, goodput, workers, false, nowMs);
    this.#reviewVerdict(arm, goodput);
    // More came through compressed than plainly: what is known of the plain way is old.
    if (link.wireRate(nowMs) > this.#identity.goodput * OTHER_RATE) this.#identity.distrust();
  }

  /** The first bytes are taken fast by empty buffers, and by receivers that are only starting: no fair measure for a trial. */
  #reviewVerdict(arm: CodingArm, goodput: number): void {
    if (arm !== this.#current || this.#isTrial || goodput > this.#lostTo * KEPT_PROMISE) return;
    this.#loser?.distrust();
    this.#loser = null;
  }

  /** The link looks full, but has just carried more: it is the receiver's decompression that holds it up. */
  #isBehindReceiver(nowMs: number, workers: number): boolean {
    const hasCarriedMore = this.#identity.goodput > this.link.wireRate(nowMs) * OTHER_RATE;
    return hasCarriedMore && this.#identity.isTrusted(nowMs) && this.#isBusy(nowMs, workers);
  }

  /** Enough was sent by this coding, and enough of it has arrived, to judge it. */
  #isKnown(arm: CodingArm, nowMs: number): boolean {
    return arm.window.isTelling && this.link.isConfirmed(arm.fromBytes, arm.window.sums.ms, nowMs);
  }

  #mayLeave(nowMs: number): boolean {
    const { link } = this;
    if (this.#isFirst && link.isFull(nowMs)) return true;
    const hasRoom = link.echoedBytes >= FIRST_LOOK_BYTES && link.queueMs(nowMs) < FIRST_LOOK_QUEUE_MS;
    if (this.#isFirst && hasRoom) return true;
    if (this.#isKnown(this.#current, nowMs)) return true;
    if (this.#isTrial && this.#current === this.#identity && this.#hasTasted && link.isFull(nowMs))
      return true;
    // Of data that gets no smaller, nothing of the present choice will be sent.
    return this.#data.isGainless && this.#isKnown(this.#identity, nowMs);
  }

  /**
   * Goes back to identity when all that was sent with the present choice, data
   * that does not get smaller included, came through slower than identity did.
   */
  #isOutdone(nowMs: number, workers: number): boolean {
    const { ms, rawBytes } = this.#overall.sums;
    const left = this.#current;
    if (left === this.#identity || ms < OVERALL_MS || !this.#identity.isTrusted(nowMs)) return false;
    const plain = this.#predict(this.#identity, nowMs, workers);
    const goodput = rawBytes / ms;
    if (plain < goodput * (this.link.isFull(nowMs) ? GAIN : ROOM_THRIFT)) return false;
    left.goodput = goodput;
    this.#enter(this.#identity, nowMs, goodput, plain);
    this.#settlesAtMs = nowMs + SETTLE_MS;
    return true;
  }

  /** Raw bytes a millisecond that a coding should achieve now. */
  #predict(arm: CodingArm, nowMs: number, workers: number): number {
    const byLink = this.#linkRate(arm, nowMs, workers) / (arm === this.#identity ? 1 : this.#pace.ratio(arm));
    if (arm.isTrusted(nowMs)) return Math.min(byLink, arm.goodput);
    const guess = this.#pace.estimate(arm, workers, nowMs);
    // Where the link decides, this is no guess.
    const isCertain = Number.isFinite(byLink) && byLink <= guess;
    if (isCertain || arm === this.#current || this.#mayTry(arm, nowMs)) return Math.min(byLink, guess);
    if (Number.isNaN(arm.goodput)) return arm.jobs > LEARNING_JOBS ? guess : 0;
    return Math.min(byLink, arm.goodput);
  }

  /** Whether a trial that fails would still be within what trials may cost. */
  #mayTry(arm: CodingArm, nowMs: number): boolean {
    // Behind full buffers a trial shows nothing before they have drained.
    const costMs = arm === this.#identity && this.link.isFull(nowMs) ? SETTLE_MS : -FIRST_TRIALS_MS;
    return this.#failedTrialsMs + costMs <= (nowMs - this.#startMs) * TRIAL_SHARE;
  }

  /** Wire bytes a millisecond, as far as they bear on this coding. */
  #linkRate(arm: CodingArm, nowMs: number, workers: number): number {
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
    const decoded = link.rateBytesPerMs(nowMs) / this.#pace.ratio(arm);
    return decoded > LEAST_DECODED_BYTES_PER_MS * Math.min(1, workers);
  }

  #enter(arm: CodingArm, nowMs: number, present: number, promised: number): void {
    const left = this.#current;
    if (!this.#isFirst) this.#leave(left, nowMs);
    this.#isFirst = false;
    this.#isTrial = !arm.isTrusted(nowMs);
    this.#toBeat = present;
    this.#before = left;
    this.#current = arm;
    this.#enteredAtMs = nowMs;
    this.#enteredAtBytes = this.link.sentBytes;
    arm.window.clear();
    this.#overall.clear();
    arm.fromBytes = this.link.sentBytes;
    // Before full buffers, what was sent before is still what is being waited for.
    this.#settlesAtMs = this.link.isBlocked(nowMs) ? nowMs + SETTLE_MS : nowMs;
    this.#settlesAtBytes = this.link.sentBytes + SETTLE_BYTES;
    this.#reason = reasonOf(left, present, arm, promised, this.link.isFull(nowMs));
  }

  #leave(arm: CodingArm, nowMs: number): void {
    const tookMs = nowMs - this.#enteredAtMs;
    if (this.#isTrial) {
      this.#failedTrialsMs += tookMs;
      this.#loser = arm;
      this.#lostTo = this.#toBeat;
    }
    const wasHasty = this.#isTrial || tookMs < LEAST_TRUST_MS;
    arm.left(wasHasty, tookMs, nowMs);
    if (arm === this.#identity) this.#rateUntilMs = Math.max(this.#rateUntilMs, nowMs + arm.trustMs);
    const dwellMs = wasHasty ? this.#dwellMs * 1.5 : this.#dwellMs / 2;
    this.#dwellMs = Math.min(Math.max(dwellMs, LEAST_DWELL_MS), MOST_DWELL_MS);
    this.#switches += 1;
  }

  #armOf({ codec, level }: Coding): CodingArm {
    const found = this.#arms.find(({ coding }) => coding.codec === codec && coding.level === level);
    if (found === undefined) throw new Error(`${codec} ${level} is not one of the codings to choose from`);
    return found;
  }
}

function reasonOf(
  left: CodingArm,
  present: number,
  taken: CodingArm,
  promised: number,
  isFull: boolean,
): string {
  const where = isFull ? 'the link is full' : 'the link has room';
  const gain = Number.isFinite(promised) ? `${mibPerSec(promised)} expected` : 'to be tried';
  return `${where}: ${nameOfCoding(taken.coding)} ${gain}, ${nameOfCoding(left.coding)} ${mibPerSec(present)}`;
}

function mibPerSec(bytesPerMs: number): string {
  return Number.isFinite(bytesPerMs) ? `${((bytesPerMs * 1000) / MIB).toFixed(1)} MiB/s` : 'unknown';
}
