/**
 * Chooses, job by job, how the bytes of one stream are sent: as they are or by
 * one of the codings both ends have. Pure, without clocks or I/O of its own,
 * so that a server's downloads and a client's uploads share it.
 *
 * Takes the coding with the best forecast (`GoodputForecast`). The first stay with
 * a coding that was never tried is an exploration, which ends as soon as the coding
 * does worse than the one before. A finding is trusted for a while
 * (`CodecStatistics`), longer after each exploration that failed, and all that fail
 * together may cost 3 % of the time (`ExplorationBudget`).
 *
 * `CompressibilityDetector` handles incompressible data.
 */
import { type Coding, IDENTITY, nameOfCoding, type TypicalCoding } from '../base/coding.ts';
import { CompressibilityDetector } from '../base/compressibility.ts';
import { MIB } from '../base/units.ts';
import { CodecStatistics, MIN_TRUST_MS } from './codec-statistics.ts';
import { ExplorationBudget } from './exploration-budget.ts';
import { GoodputForecast, type Moment, SETTLE_MS } from './goodput-forecast.ts';
import { BLOCKED_SHARE, LinkMeter } from './link-meter.ts';
import { RateWindow } from './rate-window.ts';
import { WorkerThroughput } from './worker-throughput.ts';

/** A job asks several times, and a fast link has a job each millisecond: deciding each time costs 0.05 CPU s for each GiB. */
const DECISION_MS = 2;

/** Another coding must promise this much more than the present one. */
const GAIN = 1.08;

/** While the link has spare capacity, identity may be this much slower: compressing takes processors at both ends that others may need. */
const PLAIN_THRIFT = 0.8;

/** A coding that does better than the one before is kept for at least this long. */
const DWELL_MS = 50;

/** After this many jobs, workers' times show the speed of a coding; below this share of the rate to beat it is given up. */
const TELLING_JOBS = 8;
const HOPELESS = 0.6;

/** Exploring identity sends this much before any of it has arrived. */
const TASTE_BYTES = 256 * 1024;

/** A mixture of data is judged over this. */
const OVERALL_MS = 300;

/** Plain bytes that pass at `GROWTH` times the earlier wire rate get this long: windows are still opening. */
const GROWTH = 2;
const GROWTH_MS = 200;

/** Windows and sockets hold this much of earlier bytes. */
const SETTLE_BYTES = 12 * MIB;

/** The first coding may be left when this many wire bytes have arrived without queueing. */
const FIRST_LOOK_BYTES = 256 * 1024;

/**
 * With this much sent and no echo yet, the link is slow, or far. The bytes behind have time to be compressed well,
 * but at no less than this speed, in case the link is far. Without echoes that ends at `BLIND_BYTES`.
 */
const AHEAD_BYTES = 512 * 1024;
const AHEAD_BYTES_PER_MS = (80 * MIB) / 1000;
const BLIND_BYTES = 4 * MIB;

/** What a finished job tells. */
export interface JobFacts {
  readonly coding: Coding;
  readonly rawBytes: number;
  readonly wireBytes: number;
  /** In the worker. */
  readonly workMs: number;
  /** It was to be compressed, and did not get smaller. */
  readonly incompressible: boolean;
  /** Where in the stream it ended. */
  readonly endOffset: number;
}

export interface Choice {
  readonly coding: Coding;
  /** Compress a sample first. */
  readonly probe: boolean;
}

/** The codings of one stream, for logs. */
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
  readonly #throughput = new WorkerThroughput();
  readonly #data = new CompressibilityDetector();
  readonly #budget = new ExplorationBudget();
  readonly #identity = new CodecStatistics({ ...IDENTITY, speed: Number.POSITIVE_INFINITY, size: 1 });
  readonly #forecast = new GoodputForecast(this.link, this.#throughput, this.#budget, this.#identity);
  /** The cheapest first: identity, then from the fastest to the slowest. */
  readonly #statistics: readonly CodecStatistics[];
  #current: CodecStatistics;
  /** The coding before the present one. */
  #before: CodecStatistics;
  #decidedAtMs = Number.NEGATIVE_INFINITY;
  #enteredAtMs = 0;
  #enteredAtBytes = 0;
  #enteredAtJobs = 0;
  #isFirst = true;
  /** The present coding has not shown yet that it is better than the one before, which did `toBeat`. */
  #isExploring = false;
  #toBeat = 0;
  #switches = 0;
  #reason = 'the first bytes';
  /** The coding of the last write. */
  #writing: CodecStatistics | null = null;
  #writeRaw = 0;
  /** All writes since the present coding was chosen, once earlier bytes are out of the way. */
  readonly #overall = new RateWindow();
  #settlesAtMs = 0;
  #settlesAtBytes = 0;

  /** `codings` from the fastest to the slowest, without identity; not empty. */
  constructor(codings: readonly TypicalCoding[]) {
    this.#statistics = [this.#identity, ...codings.map((each) => new CodecStatistics(each))];
    // Compressing at first costs a fast link little; megabytes of plain bytes in the queues of a slow link cost seconds.
    this.#current = this.#statistics[1] ?? this.#identity;
    this.#before = this.#current;
  }

  /**
   * How the next job is to be coded.
   * @param workers how many workers this stream may count on, a fraction when others compete
   */
  next(nowMs: number, workers: number): Choice {
    this.decide(nowMs, workers);
    if (this.isPlain) return PLAIN;
    const taken = this.#current === this.#identity ? this.#before : this.#current;
    const { coding } = this.#isFarAhead ? this.#thorough(nowMs, workers) : taken;
    if (!this.#data.isGainless) return { coding, probe: this.#data.mustProbe };
    return this.#data.isProbeDue(nowMs) ? { coding, probe: true } : PLAIN;
  }

  /** Judges the last jobs, unless that was just done. */
  decide(nowMs: number, workers: number): void {
    if (nowMs - this.#decidedAtMs >= DECISION_MS) this.#decide(nowMs, workers);
  }

  /** The coding that a stream begins with is in use: whether the link has spare capacity is not known yet, or it has none. */
  get isOpening(): boolean {
    return this.#isFirst;
  }

  /** Everything goes uncompressed, even chunks that wait for compression. */
  get isPlain(): boolean {
    return this.#current === this.#identity && !this.#isTasting;
  }

  /** Compressing now would take processors from the plain bytes of an exploration. */
  get wantsQuiet(): boolean {
    return this.#isTasting && !this.#data.isGainless;
  }

  /** The choice was made into a job. */
  took(choice: Choice, nowMs: number): void {
    if (choice.probe) this.#data.probed(nowMs);
  }

  /** Raw bytes a millisecond of one worker with this coding. */
  bytesPerMs(coding: Coding): number {
    return this.#throughput.bytesPerMs(this.#statisticsOf(coding));
  }

  observe(job: JobFacts, nowMs: number): void {
    if (job.coding.codec === 'identity') return;
    this.#data.observe(job.incompressible, job.endOffset, nowMs);
    if (job.incompressible) return;
    this.#throughput.learn(this.#statisticsOf(job.coding), job.rawBytes, job.wireBytes, job.workMs, nowMs);
  }

  /** A write of these bytes began. */
  wrote(coding: Coding, rawBytes: number, wireBytes: number, nowMs: number): void {
    this.#writing = this.#statisticsOf(coding);
    this.#writing.sentBytes += rawBytes;
    this.#writeRaw = rawBytes;
    this.link.wrote(rawBytes, wireBytes, nowMs);
  }

  /** Bytes coded by this choice over other connections: they count only in the summary. */
  noteAside(coding: Coding, rawBytes: number): void {
    this.#statisticsOf(coding).sentBytes += rawBytes;
  }

  /** The outstanding write was taken. */
  drained(nowMs: number): void {
    const ms = this.link.drained(nowMs);
    const stats = this.#writing;
    if (stats === null || ms === 0) return;
    if (nowMs < this.#settlesAtMs && this.link.sentBytes < this.#settlesAtBytes) {
      stats.fromBytes = this.link.sentBytes;
      return;
    }
    stats.window.add(ms, this.#writeRaw, 0, this.link.lastWriteMs);
    this.#overall.add(ms, this.#writeRaw, 0, 0);
  }

  /** Whether a barrier should be put behind what was written; see `LinkMeter`. */
  wantsBarrier(nowMs: number): boolean {
    // Incompressible data says nothing about the present choice.
    const isFindingOut = !this.#data.isGainless && !this.#isKnown(this.#current, nowMs);
    // There may be no later write to put a barrier behind.
    if (this.#isTasting) return !this.link.hasBarrier;
    return this.link.wantsBarrier(nowMs, this.#isFirst || isFindingOut);
  }

  /** Why the present coding was taken. */
  get reason(): string {
    return this.#reason;
  }

  summary(): ChoiceSummary {
    const bytes: Record<string, number> = {};
    for (const { coding, sentBytes } of this.#statistics)
      if (sentBytes > 0) bytes[nameOfCoding(coding)] = sentBytes;
    const { rawBytes, wireBytes } = this.#throughput;
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

  /** The smallest coding that is fast enough. */
  #thorough(nowMs: number, workers: number): CodecStatistics {
    const isFast = (stats: CodecStatistics) =>
      this.#throughput.estimate(stats, workers, nowMs) >= AHEAD_BYTES_PER_MS;
    return this.#statistics.slice(1).findLast(isFast) ?? this.#current;
  }

  /** Plain bytes are on their way to explore, and whether the link takes them is not known yet: on a slow link for seconds. */
  get #isTasting(): boolean {
    const sentBytes = this.link.sentBytes - this.#enteredAtBytes;
    const isExploring = this.#isExploring && this.#current === this.#identity;
    return isExploring && this.link.hasEchoes && sentBytes > TASTE_BYTES && !this.#hasTasted;
  }

  /** The first plain bytes of an exploration have arrived. */
  get #hasTasted(): boolean {
    return this.link.echoedBytes >= this.#enteredAtBytes + TASTE_BYTES;
  }

  #decide(nowMs: number, workers: number): void {
    this.#decidedAtMs = nowMs;
    this.#budget.start(nowMs);
    const moment: Moment = { nowMs, workers, current: this.#current };
    if (this.#writing !== null) this.#measure(this.#writing, moment);
    if (!this.#mayLeave(moment) || this.#isOutdone(moment)) return;
    const present = this.#forecast.goodput(this.#current, moment);
    if (present >= this.#toBeat && this.#isKnown(this.#current, nowMs)) this.#isExploring = false;
    // An exploration that fails ends at once; a coding that does well is not given up in haste.
    const isFailing = this.#isExploring && present < this.#toBeat;
    if (!isFailing && !this.#isFirst && nowMs - this.#enteredAtMs < DWELL_MS) return;
    this.#takeBest(present, moment);
  }

  #takeBest(present: number, moment: Moment): void {
    let best = this.#current;
    let most = present;
    const plainThrift = this.link.isFull(moment.nowMs) ? 1 : PLAIN_THRIFT;
    for (const stats of this.#statistics) {
      if (stats === best) continue;
      const promised = this.#forecast.goodput(stats, moment);
      const thrift = stats === this.#identity || best === this.#identity ? plainThrift : 1;
      const needed = stats.speed > best.speed ? most * thrift : Math.max(most / thrift, present * GAIN);
      if (promised < needed) continue;
      best = stats;
      most = promised;
    }
    if (best !== this.#current) this.#enter(best, moment.nowMs, present, most);
  }

  /** Keeps what the writes of a coding show about what the ends can do with it. */
  #measure(stats: CodecStatistics, moment: Moment): void {
    const { nowMs, workers } = moment;
    const isFull = this.link.isFull(nowMs);
    if (isFull) this.#forecast.rememberRate(nowMs + this.#identity.trustMs);
    // The first pieces are small and threads may be starting: they measure nothing.
    if (this.#isFirst || !this.#isKnown(stats, nowMs)) return;
    const { ms, rawBytes } = stats.window.sums;
    const goodput = rawBytes / ms;
    if (stats === this.#identity) {
      // Between compressed stretches the receiver still decompresses, which would distort the measure of identity.
      if (this.#current === stats) stats.found(goodput, nowMs);
      return;
    }
    if (isFull) {
      // A full link is the limit: the ends can do at least this much.
      stats.goodput = Math.max(goodput, stats.goodput || 0);
      this.#throughput.achieved(stats, goodput, workers, true);
      return;
    }
    stats.found(goodput, nowMs);
    this.#throughput.achieved(stats, goodput, workers, false);
    this.#forecast.reviewIdentity(nowMs);
  }

  /** Enough bytes of this coding were sent and have arrived to judge it. */
  #isKnown(stats: CodecStatistics, nowMs: number): boolean {
    return stats.window.isTelling && this.link.isConfirmed(stats.fromBytes, nowMs);
  }

  /**
   * Whether workers' times alone show that the present coding does worse than the one before it, whatever the link
   * does with it. That is known long before enough has arrived, and what was known of the coding is out of date then.
   */
  #isHopeless(moment: Moment): boolean {
    const { nowMs, workers } = moment;
    const stats = this.#current;
    if (this.#isFirst || stats === this.#identity || stats.jobs < this.#enteredAtJobs + TELLING_JOBS)
      return false;
    const estimate = this.#throughput.estimate(stats, workers, nowMs);
    // If the link got slower since, there is less to beat.
    const toBeat = Math.min(this.#toBeat, this.#forecast.goodput(this.#before, moment));
    if (estimate >= toBeat * HOPELESS) return false;
    stats.goodput = estimate;
    stats.distrust();
    this.#isExploring = true;
    return true;
  }

  /** Plain bytes that wait neither for link nor receiver wait for the sender: compressing cannot help. */
  #isUnhindered(nowMs: number): boolean {
    const { busyMs, ms } = this.#identity.window.sums;
    return this.link.hasEchoes && !this.link.isFull(nowMs) && busyMs < ms * BLOCKED_SHARE;
  }

  /** Plain bytes have been explored for a moment only, and far more passes the link than the coding before had for it. */
  #isGrowing(nowMs: number): boolean {
    if (!this.#isExploring || nowMs - this.#enteredAtMs >= GROWTH_MS || this.link.isFull(nowMs)) return false;
    const { ms, rawBytes } = this.#identity.window.sums;
    const wireBefore = this.#toBeat * this.#throughput.ratio(this.#before);
    return this.link.hasEchoes && rawBytes >= ms * wireBefore * GROWTH;
  }

  #mayLeave(moment: Moment): boolean {
    const { nowMs } = moment;
    const { link } = this;
    const isPlain = this.#current === this.#identity;
    if (isPlain && (this.#isUnhindered(nowMs) || this.#isGrowing(nowMs))) return false;
    if (this.#isFirst && link.isFull(nowMs)) return true;
    const hasSpareCapacity = link.echoedBytes >= FIRST_LOOK_BYTES && link.hasSpareCapacity(nowMs);
    if (this.#isFirst && hasSpareCapacity) return true;
    if (this.#isKnown(this.#current, nowMs)) return true;
    if (this.#isHopeless(moment)) return true;
    if (this.#isExploring && isPlain && this.#hasTasted && link.isFull(nowMs)) return true;
    // Incompressible data will never be sent by the present choice.
    return this.#data.isGainless && this.#isKnown(this.#identity, nowMs);
  }

  /**
   * Goes back to identity when all that was sent with the present choice, data
   * that does not get smaller included, came through slower than identity did.
   */
  #isOutdone(moment: Moment): boolean {
    const { nowMs } = moment;
    const { ms, rawBytes } = this.#overall.sums;
    const left = this.#current;
    if (left === this.#identity || ms < OVERALL_MS || !this.#identity.isTrusted(nowMs)) return false;
    // Plain bytes cannot beat a full link.
    if (this.link.isFull(nowMs)) return false;
    const plain = this.#forecast.goodput(this.#identity, moment);
    const goodput = rawBytes / ms;
    if (plain < goodput * PLAIN_THRIFT) return false;
    left.goodput = goodput;
    this.#enter(this.#identity, nowMs, goodput, plain);
    this.#settlesAtMs = nowMs + SETTLE_MS;
    return true;
  }

  #enter(stats: CodecStatistics, nowMs: number, present: number, promised: number): void {
    const left = this.#current;
    if (this.#isFirst) left.window.clear();
    else this.#leave(left, present, nowMs);
    this.#isFirst = false;
    this.#isExploring = !stats.isTrusted(nowMs);
    this.#toBeat = present;
    this.#before = left;
    this.#current = stats;
    this.#enteredAtMs = nowMs;
    this.#enteredAtBytes = this.link.sentBytes;
    this.#enteredAtJobs = stats.jobs;
    stats.window.clear();
    this.#overall.clear();
    stats.fromBytes = this.link.sentBytes;
    // With full buffers, the next writes still wait for earlier bytes.
    this.#settlesAtMs = this.link.isBlocked(nowMs) ? nowMs + SETTLE_MS : nowMs;
    this.#settlesAtBytes = this.link.sentBytes + SETTLE_BYTES;
    this.#reason = reasonOf(left, present, stats, promised, this.link.isFull(nowMs));
  }

  #leave(stats: CodecStatistics, achieved: number, nowMs: number): void {
    const tookMs = nowMs - this.#enteredAtMs;
    const costMs = this.#isExploring ? this.#explorationCost(tookMs, achieved, nowMs) : tookMs;
    if (this.#isExploring) this.#budget.failed(costMs, nowMs);
    const wasHasty = this.#isExploring || tookMs < MIN_TRUST_MS;
    stats.left(wasHasty, costMs, nowMs);
    if (stats === this.#identity) this.#forecast.rememberRate(nowMs + stats.trustMs);
    this.#switches += 1;
  }

  /** What an exploration lost against the coding before; all of its time where it has filled the link's queues. */
  #explorationCost(tookMs: number, achieved: number, nowMs: number): number {
    if (this.link.isFull(nowMs)) return tookMs;
    return achieved < this.#toBeat ? tookMs * (1 - achieved / this.#toBeat) : 0;
  }

  #statisticsOf({ codec, level }: Coding): CodecStatistics {
    const found = this.#statistics.find(({ coding }) => coding.codec === codec && coding.level === level);
    if (found === undefined) throw new Error(`${codec} ${level} is not one of the codings to choose from`);
    return found;
  }
}

function reasonOf(
  left: CodecStatistics,
  present: number,
  taken: CodecStatistics,
  promised: number,
  isFull: boolean,
): string {
  const where = isFull ? 'the link is full' : 'the link is not full';
  const gain = Number.isFinite(promised) ? `${mibPerSec(promised)} expected` : 'to be tried';
  return `${where}: ${nameOfCoding(taken.coding)} ${gain}, ${nameOfCoding(left.coding)} ${mibPerSec(present)}`;
}

function mibPerSec(bytesPerMs: number): string {
  return Number.isFinite(bytesPerMs) ? `${((bytesPerMs * 1000) / MIB).toFixed(1)} MiB/s` : 'unknown';
}
