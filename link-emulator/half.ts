/**
 * One direction of one connection: reads a socket, sends what it read down the
 * line and writes what arrives to the other socket.
 *
 * Invariant: what waits (for the rate, for the end of a stall, for the target
 * to take it) is at most `queueBytes` and one read when the source is paused;
 * what the line has on the way comes on top.
 */
import type { Socket } from 'node:net';
import type { Lane, Receiver } from './lane.ts';
import type { Line } from './line.ts';
import { sendQueueEmpty } from './send-queue.ts';

export interface HalfOptions {
  source: Socket;
  target: Socket;
  line: Line;
  queueBytes: number;
  /** The opening parcel has come through. */
  onOpen: () => void;
  /** A fault has cut this direction; its last bytes are with the peer. */
  onCut: () => void;
}

export class Half implements Receiver {
  readonly lane: Lane;
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #queueBytes: number;
  readonly #onOpen: () => void;
  readonly #onCut: () => void;
  #hasEnded = false;
  #hasFailed = false;
  #isGathering = false;

  constructor({ source, target, line, queueBytes, onOpen, onCut }: HalfOptions) {
    this.#source = source;
    this.#target = target;
    this.#queueBytes = queueBytes;
    this.#onOpen = onOpen;
    this.#onCut = onCut;
    this.lane = line.open(this);
    source.on('data', (bytes: Buffer) => {
      this.lane.push(bytes);
      if (this.#isFull) source.pause();
    });
    source.on('end', () => {
      this.#hasEnded = true;
      this.lane.push('end');
    });
    source.on('error', () => {
      this.#hasFailed = true;
    });
    source.on('close', () => {
      if (!this.#hasEnded || this.#hasFailed) this.lane.push('reset');
    });
    target.on('drain', () => this.roomMade());
  }

  roomMade(): void {
    if (this.#source.isPaused() && !this.#isFull) this.#source.resume();
  }

  open(): void {
    this.#onOpen();
  }

  deliver(bytes: Uint8Array): void {
    if (!this.#target.writable) return;
    this.#gather();
    this.#target.write(bytes);
  }

  /** What arrives together is written with one system call: a link that is busy should leave the processors to its ends. */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#target.cork();
    queueMicrotask(() => {
      this.#isGathering = false;
      this.#target.uncork();
    });
  }

  end(): void {
    this.#target.end();
  }

  reset(): void {
    this.#target.resetAndDestroy();
  }

  cut(): void {
    const target = this.#target;
    if (!target.writable) {
      this.#onCut();
      return;
    }
    target.write('', () => void sendQueueEmpty(target).then(this.#onCut));
  }

  /** For the rate, for the end of a stall, for the target to take them. */
  get waitingBytes(): number {
    return this.lane.backlogBytes + this.#target.writableLength;
  }

  get #isFull(): boolean {
    return this.waitingBytes >= this.#queueBytes;
  }
}
