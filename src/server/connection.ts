/** One accepted connection, from accept to the end of its socket. */
import type { Socket } from 'node:net';
import type { PlaceHolder } from '../base/places.ts';
import type { GuardedConnection, GuardedSession } from '../flow/gate/stream-gate.ts';
import type { ConnectionTokens } from './address-tokens.ts';
import type { Reason } from './closings.ts';
import { HTTP1_ANSWER, type Protocol } from './protocol.ts';

/** Time for a peer to take the last bytes and to close its side. */
const LINGER_MS = 1000;

export interface ConnectionOptions {
  tokens: ConnectionTokens;
  firstRequestTimeoutMs: number;
  /** Logs why it is closed, or what it asked for that is not served here. */
  note(reason: Reason, fields?: object): void;
}

export class Connection implements GuardedConnection, PlaceHolder {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #silence: NodeJS.Timeout;
  #session: GuardedSession | null = null;
  #linger: NodeJS.Timeout | undefined;
  #calls = 0;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#silence = setTimeout(() => this.#close('silent'), options.firstRequestTimeoutMs).unref();
    socket.once('close', () => {
      clearTimeout(this.#silence);
      clearTimeout(this.#linger);
    });
  }

  get movedBytes(): number {
    return this.#socket.bytesRead + this.#socket.bytesWritten;
  }

  /** A connection with calls is not idle: a call without progress loses its own place. */
  get isHeldUp(): boolean {
    return this.#calls > 0;
  }

  evict(): void {
    this.#close('evicted');
  }

  cut(): void {
    this.#socket.destroy();
  }

  sessionBegan(session: GuardedSession): void {
    this.#session = session;
  }

  streamBegan(): void {
    this.#calls += 1;
    clearTimeout(this.#silence);
  }

  streamEnded(): void {
    this.#calls -= 1;
  }

  streamRefused(): void {
    this.#options.note('refused');
    this.#pay(false);
  }

  streamWasted(): void {
    this.#pay(false);
  }

  streamFaulty(): void {
    this.#pay(true);
  }

  #pay(isFault: boolean): void {
    if (this.#socket.destroyed) return;
    const paid = this.#options.tokens.take(performance.now(), isFault);
    if (paid === 'connection') this.#close('wastedStreams');
    else if (paid === 'address') this.#close('banned');
    // libuv reads up to 2 MiB of a socket in one turn: other connections go first.
    else this.#session?.rest();
  }

  headersExceeded(): void {
    if (!this.#socket.destroyed) this.#options.tokens.takeAll(performance.now());
    this.#close('headers');
  }

  foreign(): void {
    this.#options.note('foreign');
  }

  unknownProtocol(socket: Socket, protocol: Protocol = 'unknown'): void {
    this.#options.note('foreign', { protocol });
    if (protocol === 'TLS') {
      socket.destroy();
      return;
    }
    // With unread bytes the close becomes a reset, which can overtake the answer.
    socket.resume();
    socket.end(HTTP1_ANSWER);
    this.ended();
  }

  /** Neither side can say anything more; a peer that does not close keeps its connection no longer. */
  ended(): void {
    this.#linger ??= setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }

  /** Ends the session too, so that received streams never begin. */
  #close(reason: Reason): void {
    if (this.#socket.destroyed) return;
    this.#options.note(reason);
    this.#session?.end();
    this.#socket.destroy();
  }
}
