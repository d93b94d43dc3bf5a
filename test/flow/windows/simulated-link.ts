/**
 * A link in virtual time: a sender that always has more, a bottleneck with an
 * unbounded queue in front, delays both ways, and a receiver that consumes at
 * once and whose window an estimator sets.
 */
import type { BdpEstimator } from '../../../src/flow/windows/bdp-estimator.ts';

export interface LinkPlan {
  /** One way, in milliseconds. */
  delayMs: number;
  bytesPerSec: number;
  /** The rate of each step differs by up to this part. */
  noise?: number;
  /** The sender answers a ping this much later. */
  answerMs?: number;
}

type Sent = { kind: 'bytes'; bytes: number } | { kind: 'answer' };
type Returned = { kind: 'credit'; bytes: number } | { kind: 'ping' };

const STEP_MS = 0.25;

export class SimulatedLink {
  plan: LinkPlan;
  nowMs = 0;
  /** The sender has something to send. */
  isBusy = true;
  receivedBytes = 0;
  /** The most that has waited in front of the bottleneck. */
  mostQueuedBytes = 0;
  readonly #estimator: BdpEstimator;
  #random = 12_345;
  #creditBytes: number;
  #windowBytes: number;
  #consumedBytes = 0;
  #queuedBytes = 0;
  #carryBytes = 0;
  readonly #queue: Sent[] = [];
  readonly #down: { dueMs: number; what: Sent }[] = [];
  readonly #up: { dueMs: number; what: Returned }[] = [];

  constructor(estimator: BdpEstimator, plan: LinkPlan) {
    this.plan = plan;
    this.#estimator = estimator;
    this.#windowBytes = estimator.windowBytes;
    this.#creditBytes = this.#windowBytes;
    // As a session does when it begins: before data flows, nothing queues.
    estimator.measured(2 * plan.delayMs, 0);
  }

  /** What one round trip carries, without the queue. */
  get productBytes(): number {
    return (this.plan.bytesPerSec * 2 * this.plan.delayMs) / 1000;
  }

  /** Bytes per second of the time that now passes. */
  run(forMs: number): number {
    const endMs = this.nowMs + forMs;
    const before = this.receivedBytes;
    while (this.nowMs < endMs) this.#step();
    return (this.receivedBytes - before) / (forMs / 1000);
  }

  /** Answers the ping under way now, wherever it is. */
  answerAtOnce(): void {
    this.#answered();
  }

  #step(): void {
    this.nowMs += STEP_MS;
    for (const { what } of this.#due(this.#up)) this.#atSender(what);
    this.#send();
    this.#drain();
    for (const { what } of this.#due(this.#down)) this.#atReceiver(what);
    if (this.#estimator.rest(this.nowMs)) this.#applyWindow();
  }

  #atSender(what: Returned): void {
    if (what.kind === 'credit') this.#creditBytes += what.bytes;
    else this.#queue.push({ kind: 'answer' });
  }

  #send(): void {
    if (!this.isBusy || this.#creditBytes <= 0) return;
    this.#queue.push({ kind: 'bytes', bytes: this.#creditBytes });
    this.#queuedBytes += this.#creditBytes;
    this.#creditBytes = 0;
    this.mostQueuedBytes = Math.max(this.mostQueuedBytes, this.#queuedBytes);
  }

  #drain(): void {
    const { bytesPerSec, noise = 0, delayMs, answerMs = 0 } = this.plan;
    let leftBytes =
      this.#carryBytes + (bytesPerSec / 1000) * STEP_MS * (1 + noise * (2 * this.#nextRandom() - 1));
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      if (first.kind === 'answer') {
        this.#down.push({ dueMs: this.nowMs + delayMs + answerMs, what: first });
        this.#queue.shift();
        continue;
      }
      const bytes = Math.min(first.bytes, Math.floor(leftBytes));
      if (bytes === 0) break;
      leftBytes -= bytes;
      first.bytes -= bytes;
      this.#queuedBytes -= bytes;
      this.#down.push({ dueMs: this.nowMs + delayMs, what: { kind: 'bytes', bytes } });
      if (first.bytes === 0) this.#queue.shift();
    }
    this.#carryBytes = this.#queue.length === 0 ? 0 : leftBytes;
  }

  #atReceiver(what: Sent): void {
    if (what.kind === 'answer') {
      this.#answered();
      return;
    }
    this.receivedBytes += what.bytes;
    this.#estimator.received(what.bytes, this.nowMs);
    this.#ping(what.bytes);
    this.#consumedBytes += what.bytes;
    // As nghttp2 does it.
    if (this.#consumedBytes < this.#windowBytes / 2) return;
    this.#return({ kind: 'credit', bytes: this.#consumedBytes });
    this.#consumedBytes = 0;
  }

  #answered(): void {
    if (this.#estimator.pingAnswered(this.nowMs)) this.#applyWindow();
    this.#ping(0);
  }

  #ping(arrivedBytes: number): void {
    if (!this.#estimator.wantsPing(this.nowMs)) return;
    this.#estimator.pingSent(this.nowMs, arrivedBytes);
    this.#return({ kind: 'ping' });
  }

  #applyWindow(): void {
    this.#return({ kind: 'credit', bytes: this.#estimator.windowBytes - this.#windowBytes });
    this.#windowBytes = this.#estimator.windowBytes;
  }

  #return(what: Returned): void {
    this.#up.push({ dueMs: this.nowMs + this.plan.delayMs, what });
  }

  #due<T>(flight: { dueMs: number; what: T }[]): { what: T }[] {
    let count = 0;
    while (count < flight.length && (flight[count] as { dueMs: number }).dueMs <= this.nowMs) count += 1;
    return flight.splice(0, count);
  }

  /** The same on every run (a linear congruential generator). */
  #nextRandom(): number {
    this.#random = (this.#random * 1_103_515_245 + 12_345) % 2 ** 31;
    return this.#random / 2 ** 31;
  }
}
