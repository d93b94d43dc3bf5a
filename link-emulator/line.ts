/**
 * One direction of the link, shared by all connections, without sockets.
 *
 *     push ─▶ waiting, a queue for each lane ─rate─▶ flight ─delay, jitter─▶ lane ─▶ receiver
 *
 * Invariants: what was pushed to a lane arrives in the same order, whole, and
 * not before its delay; together the lanes send no more than the rate allows,
 * and each of them no more than the rate of a connection.
 * One timer serves everything, whatever there is on the way.
 */
import { Allowance } from './allowance.ts';
import type { Clock } from './clock.ts';
import { Fifo } from './fifo.ts';
import { Lane, type Parcel, parcelBytes, type Receiver } from './lane.ts';

/** How one direction behaves. */
export interface LineSettings {
  /** How long each byte is on its way, in milliseconds. */
  delayMs: number;
  /** Added to the delay: between 0 and this, another every 10 ms. Bytes never overtake each other. */
  jitterMs: number;
  /** What all connections may send together; Infinity for no limit. */
  rateBytesPerSec: number;
  /** What each connection may send, as where a link loses packets; Infinity for no limit. */
  connectionRateBytesPerSec: number;
}

interface Flight {
  readonly lane: Lane;
  readonly parcel: Parcel;
  readonly dueMs: number;
}

/** A timer comes up to a millisecond late or early: half of one either way is as near as it gets. */
const TOLERANCE_MS = 0.5;

/** How often a line with a rate sends. */
const SEND_INTERVAL_MS = 1;

/** How long one value of the jitter holds; with another for each piece the largest would always win. */
const JITTER_INTERVAL_MS = 10;

/** The most that a lane sends before it is the next one's turn, where there is a rate. */
const TURN_BYTES = 64 * 1024;

export class Line {
  readonly #clock: Clock;
  readonly #random: () => number;
  /** With what each may send by its own rate. */
  readonly #lanes = new Map<Lane, Allowance>();
  /** The lanes that wait for the rate, in the order of their turns. */
  readonly #turns = new Fifo<Lane>();
  readonly #flight = new Fifo<Flight>();
  readonly #allowance: Allowance;
  #settings: LineSettings;
  #isStalled = false;
  #jitterNowMs = 0;
  #jitterUntilMs = Number.NEGATIVE_INFINITY;
  #lastDueMs = Number.NEGATIVE_INFINITY;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #stopTimer: () => void = () => {};

  constructor(settings: LineSettings, clock: Clock, random: () => number = Math.random) {
    this.#settings = settings;
    this.#clock = clock;
    this.#random = random;
    this.#allowance = new Allowance(clock.nowMs());
  }

  get settings(): Readonly<LineSettings> {
    return this.#settings;
  }

  /** What is on its way keeps its delay; what waits goes at the new rate. */
  change(settings: Partial<LineSettings>): void {
    this.#refill();
    this.#settings = { ...this.#settings, ...settings };
    // Another rate neither owes nor has saved anything.
    if (settings.rateBytesPerSec !== undefined) this.#allowance.clear();
    if (settings.connectionRateBytesPerSec !== undefined) {
      for (const own of this.#lanes.values()) own.clear();
    }
    this.#turn();
  }

  /** A connection's part of this direction. */
  open(receiver: Receiver): Lane {
    const lane = new Lane(receiver, (pushed) => this.#pushed(pushed));
    if (this.#isStalled) lane.stall();
    this.#lanes.set(lane, new Allowance(this.#clock.nowMs()));
    return lane;
  }

  /** Drops a lane and what it has on the way. */
  close(lane: Lane): void {
    lane.discard();
    this.#lanes.delete(lane);
    if (this.#lanes.size > 0) return;
    this.#flight.clear();
    this.#disarm();
  }

  /** Nothing arrives any more, on connections to come as well, until `go`. */
  stall(): void {
    this.#isStalled = true;
    for (const lane of this.#lanes.keys()) lane.stall();
  }

  /** Ends every stall. */
  go(): void {
    this.#isStalled = false;
    for (const lane of this.#lanes.keys()) lane.go();
  }

  #pushed(lane: Lane): void {
    if (lane.isInTurn) return;
    lane.isInTurn = true;
    this.#turns.push(lane);
    this.#turn();
  }

  #turn(): void {
    this.#refill();
    this.#send();
    this.#arrive();
    this.#arm();
  }

  #refill(): void {
    const nowMs = this.#clock.nowMs();
    const { connectionRateBytesPerSec, rateBytesPerSec } = this.#settings;
    this.#allowance.refill(nowMs, rateBytesPerSec);
    for (const own of this.#lanes.values()) own.refill(nowMs, connectionRateBytesPerSec);
  }

  #send(): void {
    // Lanes in a row to which their own rate allows no more for now.
    let spent = 0;
    while (spent < this.#turns.length) {
      const lane = this.#turns.peek() as Lane;
      const isSpent = !this.#sendFrom(lane);
      if (isSpent && this.#allowance.bytes === 0) {
        this.#allowance.ranOut();
        return;
      }
      this.#turns.shift();
      lane.isInTurn = lane.hasWaiting;
      if (lane.isInTurn) this.#turns.push(lane);
      spent = isSpent ? spent + 1 : 0;
    }
  }

  /** Sends what the rates allow of what waits; false where that is nothing. */
  #sendFrom(lane: Lane): boolean {
    const own = this.#lanes.get(lane);
    const allowedBytes = Math.min(this.#allowance.bytes, own?.bytes ?? 0);
    const limitBytes = Number.isFinite(allowedBytes) ? Math.min(TURN_BYTES, allowedBytes) : allowedBytes;
    const parcel = lane.take(limitBytes);
    if (parcel !== undefined) {
      this.#allowance.spend(parcelBytes(parcel));
      own?.spend(parcelBytes(parcel));
      this.#depart(lane, parcel);
      return true;
    }
    if (lane.hasWaiting && this.#allowance.bytes > 0) own?.ranOut();
    return !lane.hasWaiting;
  }

  #depart(lane: Lane, parcel: Parcel): void {
    const { delayMs, jitterMs } = this.#settings;
    if (delayMs === 0 && jitterMs === 0 && this.#flight.length === 0) {
      lane.arrive(parcel);
      return;
    }
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#jitterUntilMs) {
      this.#jitterNowMs = this.#random() * jitterMs;
      this.#jitterUntilMs = nowMs + JITTER_INTERVAL_MS;
    }
    this.#lastDueMs = Math.max(this.#lastDueMs, nowMs + delayMs + this.#jitterNowMs);
    this.#flight.push({ lane, parcel, dueMs: this.#lastDueMs });
  }

  #arrive(): void {
    const dueMs = this.#clock.nowMs() + TOLERANCE_MS;
    for (let first = this.#flight.peek(); first !== undefined; first = this.#flight.peek()) {
      if (first.dueMs > dueMs) return;
      this.#flight.shift();
      first.lane.arrive(first.parcel);
    }
  }

  #arm(): void {
    const nowMs = this.#clock.nowMs();
    const arrivalMs = this.#flight.peek()?.dueMs ?? Number.POSITIVE_INFINITY;
    const sendingMs = this.#turns.length > 0 ? nowMs + SEND_INTERVAL_MS : Number.POSITIVE_INFINITY;
    const wakeAtMs = Math.min(arrivalMs, sendingMs);
    if (wakeAtMs >= this.#timerAtMs) return;
    this.#disarm();
    this.#timerAtMs = wakeAtMs;
    this.#stopTimer = this.#clock.startTimer(wakeAtMs - nowMs, () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#turn();
    });
  }

  #disarm(): void {
    this.#stopTimer();
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }
}
