/**
 * One connection's part of one direction: what waits to be sent, and what
 * happens to it where it arrives, faults included.
 */
import { Fifo } from './fifo.ts';

/** What travels: bytes, or one of the moments in a connection's life. */
export type Parcel = Uint8Array | 'open' | 'end' | 'reset';

/** The far end of a lane. */
export interface Receiver {
  /** Less waits than before. */
  roomMade(): void;
  /** The sender has connected. */
  open(): void;
  deliver(bytes: Uint8Array): void;
  /** The sender has ended its half. */
  end(): void;
  /** The sender's connection broke. */
  reset(): void;
  /** A fault says that the connection breaks here. */
  cut(): void;
}

/**
 * What befalls one direction of a connection once exactly `atByte` bytes have
 * arrived. `end` is a half-close in the sender's name: the other direction goes
 * on, and what the sender sends from there on is lost.
 */
export interface Fault {
  kind: 'cut' | 'stall' | 'end';
  atByte: number;
}

export class Lane {
  /** Whether the line has this lane among those that wait for the rate. */
  isInTurn = false;
  readonly #receiver: Receiver;
  readonly #onPush: (lane: Lane) => void;
  readonly #waiting = new Fifo<Parcel>();
  readonly #held = new Fifo<Parcel>();
  #heldBytes = 0;
  #waitingBytes = 0;
  #passedBytes = 0;
  #isStalled = false;
  #isDiscarded = false;
  #fault: Fault | undefined;

  constructor(receiver: Receiver, onPush: (lane: Lane) => void) {
    this.#receiver = receiver;
    this.#onPush = onPush;
  }

  /** Bytes that wait for the rate or for the end of a stall; not those on the way. */
  get backlogBytes(): number {
    return this.#waitingBytes + this.#heldBytes;
  }

  /** Bytes that have arrived. */
  get passedBytes(): number {
    return this.#passedBytes;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** The lane owns the bytes from here on. */
  push(parcel: Parcel): void {
    if (this.#isDiscarded) return;
    this.#waiting.push(parcel);
    this.#waitingBytes += parcelBytes(parcel);
    this.#onPush(this);
  }

  /** The first parcel that waits, or at most `limitBytes` of it; undefined when that is nothing. */
  take(limitBytes: number): Parcel | undefined {
    const first = this.#waiting.peek();
    if (first === undefined) return undefined;
    const bytes = parcelBytes(first);
    const takenBytes = Math.min(bytes, limitBytes);
    if (takenBytes < Math.min(bytes, 1)) return undefined;
    this.#waitingBytes -= takenBytes;
    this.#receiver.roomMade();
    if (typeof first === 'string' || takenBytes === bytes) return this.#waiting.shift();
    this.#waiting.replaceHead(first.subarray(takenBytes));
    return first.subarray(0, takenBytes);
  }

  /** A parcel has come to the end of the line. */
  arrive(parcel: Parcel): void {
    if (this.#isDiscarded) return;
    if (!this.#isStalled) {
      this.#pass(parcel);
      return;
    }
    this.#held.push(parcel);
    this.#heldBytes += parcelBytes(parcel);
  }

  /** The fault to come; undefined takes it back. */
  failAt(fault: Fault | undefined): void {
    this.#fault = fault;
  }

  stall(): void {
    this.#isStalled = true;
  }

  go(): void {
    this.#isStalled = false;
    while (!this.#isStalled && !this.#isDiscarded) {
      const parcel = this.#held.shift();
      if (parcel === undefined) return;
      this.#heldBytes -= parcelBytes(parcel);
      this.#pass(parcel);
    }
  }

  /** Nothing arrives any more, nothing is kept. */
  discard(): void {
    this.#isDiscarded = true;
    this.#waiting.clear();
    this.#held.clear();
    this.#waitingBytes = 0;
    this.#heldBytes = 0;
  }

  #pass(parcel: Parcel): void {
    if (typeof parcel === 'string') {
      this.#receiver[parcel]();
      return;
    }
    const fault = this.#fault;
    if (fault === undefined || this.#passedBytes + parcel.length < fault.atByte) {
      this.#deliver(parcel);
      return;
    }
    const splitAt = Math.max(0, fault.atByte - this.#passedBytes);
    this.#fault = undefined;
    this.#deliver(parcel.subarray(0, splitAt));
    this.#fail(fault, parcel.subarray(splitAt));
  }

  #deliver(bytes: Uint8Array): void {
    this.#passedBytes += bytes.length;
    if (bytes.length > 0) this.#receiver.deliver(bytes);
  }

  #fail({ kind }: Fault, rest: Uint8Array): void {
    if (kind !== 'stall') {
      this.discard();
      this.#receiver[kind]();
      return;
    }
    this.#isStalled = true;
    if (rest.length === 0) return;
    // Before anything else that is held: the end of another stall may have brought this piece here.
    this.#held.unshift(rest);
    this.#heldBytes += rest.length;
  }
}

export function parcelBytes(parcel: Parcel): number {
  return typeof parcel === 'string' ? 0 : parcel.length;
}
