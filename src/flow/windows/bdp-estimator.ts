/**
 * How large the receive window of a connection should be: the bandwidth-delay
 * product of the link, found as gRPC-Go and gRPC-C find it. Logic only; its
 * owner counts bytes, sends the pings and applies the window.
 *
 *     bytes arrive ─▶ ping ─▶ bytes until its answer: a sample, of at most what is in flight in one round trip
 *     a sample that fills the window, at more bandwidth than when it last grew ─▶ grows to 2 × sample
 *
 * Invariants: the window grows only when the last growth brought bandwidth, or as
 * a probe, and a probe that brings none is taken back; it never exceeds `maxBytes`,
 * nor (beyond the least window) what the link carries in two round trips and a
 * fifth of a second.
 */
import { MIN_WINDOW_BYTES } from '../../base/limits.ts';

export interface BdpOptions {
  /** The window before anything is known, and again after an idle time. */
  startBytes: number;
  /** The window never gets larger. */
  maxBytes: number;
}

/**
 * nghttp2 returns credit once half of a window has been read. Unless frames
 * happen to end just there, the other half is never in use: a busy sender gets
 * half a window for each round trip.
 */
const USED = 0.5;

/** A sample of at least this share of the window shows that the window is the limit (gRPC-Go: beta). */
const FULL = 0.66 * USED;

/** The usable window grows to two samples (gRPC-Go: gamma); the window at most doubles, as all of it may be in use. */
const GROWTH = 2 / USED;
const MAX_GROWTH = 2;

/** A sample spans up to this many round trips: its ping waits behind data on the way (gRPC-Go). */
const SAMPLE_ROUND_TRIPS = 1.5;

/** How much the bandwidth must exceed that of the last growth: less is noise, and noise would add up. */
const GAIN = 1.1;

/** The round trip is the mean of this many samples, then the newest one with `DAMPING` of the weight (gRPC-Go: alpha). */
const BOOTSTRAP_SAMPLES = 10;
const DAMPING = 0.9;

/** How much of the link's time a window may hold: busy processes answer late, so a round trip alone is too little. */
const QUEUE_ROUND_TRIPS = 2;
const QUEUE_MS = 200;

/** Hysteresis: otherwise the window would change with every sample. */
const TOO_LARGE = 1.25;

/** Samples in a row that must find the window too large: a single one may be a pause of a process. */
const QUEUED_SAMPLES = 2;

/**
 * A lucky sample can set the bandwidth to beat too high. So a window that
 * stays full is doubled as a probe; it goes back unless one of the next samples
 * has more bandwidth than the mean before. Probes that fail become rarer.
 */
const PROBE_SAMPLES = 4;
const FIRST_PROBE_WAIT_MS = 1000;
const MAX_PROBE_WAIT_MS = 32_000;

/** The shortest round trip of one to two such periods counts; then a wrong one is forgotten. */
const MIN_ROUND_TRIP_PERIOD_MS = 10_000;

/** After this long without a byte, the estimates are out of date. */
const IDLE_MS = 10_000;

/** After this long without a byte, the next ones are another transfer, worth frequent pings. */
const PAUSE_MS = 250;

/** While samples change nothing, pings become rarer, up to this. */
const FIRST_PING_INTERVAL_MS = 20;
const MAX_PING_INTERVAL_MS = 1000;

/** An answer earlier than this share of the round trip is an outlier; this many in a row are a faster link. */
const EARLY = 0.5;
const EARLY_SAMPLES = 4;

/** Links whose pings are answered within this need no large window; a single early answer does not count. */
const SHORT_ROUND_TRIP_MS = 8;
const SHORT_ANSWER_MS = 50;

/** Answers come no faster than clocks tick. */
const MIN_ROUND_TRIP_MS = 0.01;

export class BdpEstimator {
  readonly #startBytes: number;
  readonly #maxBytes: number;
  #windowBytes: number;
  /** Bytes since the ping; undefined while none is under way. */
  #sampleBytes: number | undefined;
  /** Bytes have come since the last sample. */
  #hasNews = false;
  #pingSentAtMs = 0;
  #nextPingAtMs = 0;
  #pingIntervalMs = 0;
  #samples = 0;
  #roundTripMs = 0;
  readonly #minRoundTrip = new MinOfPeriod(MIN_ROUND_TRIP_PERIOD_MS);
  #growthBandwidth = 0;
  #probe: Probe | undefined;
  #probeAtMs = Number.POSITIVE_INFINITY;
  #probeWaitMs = FIRST_PROBE_WAIT_MS;
  #fullSamples = 0;
  #fullBandwidth = 0;
  #queuedSamples = 0;
  #earlySamples = 0;
  #arrivedAtMs = Number.NEGATIVE_INFINITY;

  constructor({ startBytes, maxBytes }: BdpOptions) {
    this.#startBytes = startBytes;
    this.#maxBytes = maxBytes;
    this.#windowBytes = Math.min(startBytes, maxBytes);
  }

  /** What the window should be now. */
  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** The damped round trip in milliseconds; 0 before the first answer. */
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  /** The least round trip of the last seconds; infinite before the first answer. */
  get minRoundTripMs(): number {
    return this.#minRoundTrip.value;
  }

  /** What is under way hardly matters on this link. */
  get isShort(): boolean {
    return this.#minRoundTrip.value < SHORT_ROUND_TRIP_MS && this.#roundTripMs < SHORT_ANSWER_MS;
  }

  /** Counts bytes that arrived. */
  received(bytes: number, nowMs: number): void {
    if (bytes === 0) return;
    if (nowMs - this.#arrivedAtMs > PAUSE_MS) this.#lookClosely();
    this.#arrivedAtMs = nowMs;
    this.#hasNews = true;
    if (this.#sampleBytes !== undefined) this.#sampleBytes += bytes;
  }

  /** True asks for a ping: send it and call `pingSent`. Ask after bytes came and after an answer. */
  wantsPing(nowMs: number): boolean {
    return this.#hasNews && this.#sampleBytes === undefined && nowMs >= this.#nextPingAtMs;
  }

  /** The sample begins, with the bytes that led to it: those of the same moment, which no sample has. */
  pingSent(nowMs: number, arrivedBytes = 0): void {
    this.#hasNews = false;
    this.#sampleBytes = arrivedBytes;
    this.#pingSentAtMs = nowMs;
  }

  /** A round trip that was measured without a sample: best before data flows, when nothing queues. */
  measured(roundTripMs: number, nowMs: number): void {
    const answerMs = Math.max(MIN_ROUND_TRIP_MS, roundTripMs);
    if (this.#samples === 0) this.#roundTripMs = answerMs;
    this.#minRoundTrip.add(answerMs, nowMs);
  }

  /** The ping will have no answer. */
  pingLost(): void {
    this.#sampleBytes = undefined;
  }

  /** The sample ends. True when `windowBytes` has changed. */
  pingAnswered(nowMs: number): boolean {
    const sampleBytes = this.#sampleBytes;
    if (sampleBytes === undefined) return false;
    this.#sampleBytes = undefined;
    this.#hasNews = sampleBytes > 0; // Bytes from now on belong to the next sample.
    const answerMs = Math.max(MIN_ROUND_TRIP_MS, nowMs - this.#pingSentAtMs);
    if (this.#isTooEarly(answerMs)) return false;
    this.#countRoundTrip(answerMs, nowMs);
    const before = this.#windowBytes;
    this.#judge(sampleBytes, answerMs, nowMs);
    const hasChanged = this.#windowBytes !== before;
    if (hasChanged || this.#probe !== undefined) this.#lookClosely();
    else this.#lookLess(nowMs);
    return hasChanged;
  }

  /** Lets time pass. True when `windowBytes` has changed: the connection has been idle. */
  rest(nowMs: number): boolean {
    if (nowMs - this.#arrivedAtMs < IDLE_MS) return false;
    const hasChanged = this.#windowBytes !== Math.min(this.#startBytes, this.#maxBytes);
    this.#windowBytes = Math.min(this.#startBytes, this.#maxBytes);
    this.#settle(this.#windowBytes, 0, nowMs);
    this.#probeWaitMs = FIRST_PROBE_WAIT_MS;
    this.#queuedSamples = 0;
    this.#samples = 0;
    return hasChanged;
  }

  #isTooEarly(answerMs: number): boolean {
    const isEarly = answerMs < EARLY * this.#roundTripMs;
    this.#earlySamples = isEarly ? this.#earlySamples + 1 : 0;
    return isEarly && this.#earlySamples < EARLY_SAMPLES;
  }

  #countRoundTrip(answerMs: number, nowMs: number): void {
    this.#samples += 1;
    const weight = this.#samples < BOOTSTRAP_SAMPLES ? 1 / this.#samples : DAMPING;
    this.#roundTripMs += (answerMs - this.#roundTripMs) * weight;
    this.#minRoundTrip.add(answerMs, nowMs);
  }

  #judge(sampleBytes: number, answerMs: number, nowMs: number): void {
    const isFull = sampleBytes >= FULL * this.#windowBytes;
    const queueBytes = this.#queueBytes(sampleBytes, answerMs);
    const holdsTooMuch = isFull && this.#windowBytes > TOO_LARGE * queueBytes;
    this.#queuedSamples = holdsTooMuch ? this.#queuedSamples + 1 : 0;
    // A quick answer amid a burst would count the burst as bandwidth.
    const bandwidth = sampleBytes / (Math.max(answerMs, this.#roundTripMs) * SAMPLE_ROUND_TRIPS);
    if (holdsTooMuch) {
      if (this.#queuedSamples >= QUEUED_SAMPLES) this.#settle(queueBytes, bandwidth, nowMs);
      return;
    }
    const mostBytes = Math.min(queueBytes, this.#maxBytes, MAX_GROWTH * this.#windowBytes);
    if (this.#probe !== undefined) this.#judgeProbe(this.#probe, bandwidth, nowMs);
    else if (isFull && bandwidth >= this.#growthBandwidth * GAIN) {
      const grownBytes = Math.min(Math.ceil(GROWTH * sampleBytes), mostBytes);
      // The first sample is a whole window: more than that window carries later.
      const steadyBandwidth = bandwidth * Math.min(1, (USED * this.#windowBytes) / sampleBytes);
      this.#settle(Math.max(this.#windowBytes, grownBytes), steadyBandwidth, nowMs);
    } else if (isFull) this.#considerProbe(bandwidth, mostBytes, nowMs);
  }

  /** This is the window, until a sample has clearly more than this bandwidth. */
  #settle(windowBytes: number, bandwidth: number, nowMs: number): void {
    this.#windowBytes = windowBytes;
    this.#growthBandwidth = bandwidth;
    this.#probe = undefined;
    this.#probeAtMs = nowMs + this.#probeWaitMs;
    this.#fullSamples = 0;
    this.#fullBandwidth = 0;
  }

  #considerProbe(bandwidth: number, mostBytes: number, nowMs: number): void {
    this.#fullSamples += 1;
    this.#fullBandwidth += (bandwidth - this.#fullBandwidth) / this.#fullSamples;
    if (nowMs < this.#probeAtMs || this.#fullSamples < PROBE_SAMPLES || mostBytes <= this.#windowBytes)
      return;
    this.#probe = {
      fromBytes: this.#windowBytes,
      bandwidth: this.#fullBandwidth,
      samplesLeft: PROBE_SAMPLES,
    };
    this.#windowBytes = mostBytes;
  }

  #judgeProbe(probe: Probe, bandwidth: number, nowMs: number): void {
    if (bandwidth >= probe.bandwidth * GAIN) {
      this.#probeWaitMs = FIRST_PROBE_WAIT_MS;
      this.#settle(this.#windowBytes, bandwidth, nowMs);
      return;
    }
    probe.samplesLeft -= 1;
    if (probe.samplesLeft > 0) return;
    this.#probeWaitMs = Math.min(MAX_PROBE_WAIT_MS, this.#probeWaitMs * 2);
    this.#settle(probe.fromBytes, this.#growthBandwidth, nowMs);
  }

  /** The largest window for a link that carried this sample in this time. */
  #queueBytes(sampleBytes: number, answerMs: number): number {
    const queueMs = this.#minRoundTrip.value * QUEUE_ROUND_TRIPS + QUEUE_MS;
    return Math.max(MIN_WINDOW_BYTES, Math.ceil((sampleBytes / answerMs) * queueMs));
  }

  #lookClosely(): void {
    this.#pingIntervalMs = 0;
    this.#nextPingAtMs = Number.NEGATIVE_INFINITY;
  }

  #lookLess(nowMs: number): void {
    this.#nextPingAtMs = nowMs + this.#pingIntervalMs;
    this.#pingIntervalMs = Math.min(
      MAX_PING_INTERVAL_MS,
      Math.max(FIRST_PING_INTERVAL_MS, this.#pingIntervalMs * 2),
    );
  }
}

/** A larger window that has to bring bandwidth. */
interface Probe {
  readonly fromBytes: number;
  /** The mean before. */
  readonly bandwidth: number;
  samplesLeft: number;
}

/** The least value of the current period and the one before it. */
class MinOfPeriod {
  readonly #periodMs: number;
  #since = Number.NEGATIVE_INFINITY;
  #current = Number.POSITIVE_INFINITY;
  #before = Number.POSITIVE_INFINITY;

  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  get value(): number {
    return Math.min(this.#current, this.#before);
  }

  add(value: number, nowMs: number): void {
    if (nowMs - this.#since > this.#periodMs) {
      this.#before = nowMs - this.#since > 2 * this.#periodMs ? Number.POSITIVE_INFINITY : this.#current;
      this.#current = value;
      this.#since = nowMs;
    } else this.#current = Math.min(this.#current, value);
  }
}
