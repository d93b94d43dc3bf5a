/**
 * One connection through the link: the client's socket, the one to the target,
 * and the two directions between them.
 */
import { Socket } from 'node:net';
import type { Clock } from './clock.ts';
import { Half } from './half.ts';
import type { Fault } from './lane.ts';
import type { Line } from './line.ts';

/** Up is from the client to the target. */
export type Direction = 'up' | 'down';

export const DIRECTIONS: readonly Direction[] = ['up', 'down'];

export type DirectedFault = Fault & { direction: Direction };

export interface Endpoint {
  host: string;
  port: number;
}

export interface ConnectionOptions {
  /** The client's socket, paused. */
  client: Socket;
  target: Endpoint;
  lines: Readonly<Record<Direction, Line>>;
  queueBytes: number;
  faults: readonly DirectedFault[];
  clock: Clock;
  onClose: () => void;
}

export class Connection {
  readonly #client: Socket;
  readonly #server = new Socket({ allowHalfOpen: true });
  readonly #lines: Readonly<Record<Direction, Line>>;
  readonly #halves: Readonly<Record<Direction, Half>>;
  readonly #onClose: () => void;
  #hasBegun = false;
  #isClosed = false;

  constructor({ client, target, lines, queueBytes, faults, clock, onClose }: ConnectionOptions) {
    const server = this.#server;
    this.#client = client;
    this.#lines = lines;
    this.#onClose = onClose;
    const onCut = () => this.cut();
    const onOpen = () => server.connect({ ...target, noDelay: true });
    this.#halves = {
      up: new Half({ source: client, target: server, line: lines.up, queueBytes, onOpen, onCut }),
      down: new Half({ source: server, target: client, line: lines.down, queueBytes, onOpen, onCut }),
    };
    for (const { direction, ...fault } of faults) this.failAt(direction, fault);
    for (const socket of [client, server]) socket.on('close', () => this.#closedOne());
    // TCP's own handshake: the client may send after one round trip, the target learns of it half a round trip later.
    const roundTripMs = lines.up.settings.delayMs + lines.down.settings.delayMs;
    if (roundTripMs === 0) this.#begin();
    else clock.startTimer(roundTripMs, () => this.#begin());
  }

  /** Bytes that have arrived. */
  passedBytes(direction: Direction): number {
    return this.#halves[direction].lane.passedBytes;
  }

  /** Bytes that wait in either direction. */
  get waitingBytes(): number {
    return this.#halves.up.waitingBytes + this.#halves.down.waitingBytes;
  }

  failAt(direction: Direction, fault: Fault): void {
    this.#halves[direction].lane.failAt(fault);
  }

  /** Reads on where a stall held it back. */
  takeMore(): void {
    if (!this.#hasBegun) return;
    for (const direction of DIRECTIONS) this.#halves[direction].roomMade();
  }

  /** Breaks the connection at once, as seen from either side. */
  cut(): void {
    this.#client.resetAndDestroy();
    // A socket that has not begun to connect cannot be reset.
    if (this.#server.pending && !this.#server.connecting) this.#server.destroy();
    else this.#server.resetAndDestroy();
    this.#close();
  }

  #begin(): void {
    if (this.#isClosed) return;
    this.#hasBegun = true;
    this.#halves.up.lane.push('open');
    this.#client.resume();
  }

  #closedOne(): void {
    if (this.#client.closed && this.#server.closed) this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const direction of DIRECTIONS) this.#lines[direction].close(this.#halves[direction].lane);
    this.#onClose();
  }
}
