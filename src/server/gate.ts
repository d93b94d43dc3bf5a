/**
 * What connections may cost before they have done anything useful, and the only
 * place that closes one for cause.
 *
 *   accepted ─TLS, preface, first request, all in time─▶ serving ⇄ idle
 *      └──────────── limit exceeded ───────────┴────▶ closed (reason)
 */
import type { Socket } from 'node:net';
import type { Counters } from '../base/counters/counters.ts';
import { FIRST_REQUEST_TIMEOUT_MS } from '../base/limits.ts';
import type { Logger } from '../base/logger.ts';
import type { PeerAddresses } from '../base/peer-address.ts';
import { Places } from '../base/places.ts';
import type { GuardedConnection } from '../flow/gate/stream-gate.ts';
import { AddressTokens } from './address-tokens.ts';
import { Closings, type OnClosing } from './closings.ts';
import { Connection } from './connection.ts';
import { watchProtocol } from './protocol.ts';

export interface GateOptions {
  connections: number;
  streamsPerConnection: number;
  /** Peers begin with a TLS handshake. */
  isSecure: boolean;
  peers: PeerAddresses;
  logger: Logger;
  counters: Counters;
  /** Told of closings for cause, of a flood of one kind once in a second. */
  onClosing?: OnClosing;
  /** From accept to the headers of the first request; default FIRST_REQUEST_TIMEOUT_MS. */
  firstRequestTimeoutMs?: number;
  /** Takes a connection that speaks HTTP/2, or TLS where that is expected. */
  inject: (socket: Socket) => void;
}

export class Gate {
  readonly #options: GateOptions;
  readonly #closings: Closings;
  readonly #tokens: AddressTokens;
  readonly #places: Places;
  readonly #connections = new Map<Socket, Connection>();

  constructor(options: GateOptions) {
    this.#options = options;
    const { counters, logger, onClosing } = options;
    this.#closings = new Closings(logger, counters, onClosing);
    this.#tokens = new AddressTokens(options.streamsPerConnection);
    this.#places = new Places({
      what: 'connections',
      limit: options.connections,
      counted: { counters, as: 'connections' },
    });
  }

  /** A connection as it is accepted: it is handed on, refused, or closed later for cause. */
  accept(socket: Socket): void {
    const address = this.#options.peers.of(socket);
    const peer = socket.remoteAddress ?? '';
    const nowMs = performance.now();
    if (address !== null && this.#tokens.isBanned(address, nowMs)) {
      this.#refuse(socket, peer, 'banned');
      return;
    }
    const connection = new Connection(socket, {
      tokens: this.#tokens.ofConnection(address, nowMs),
      firstRequestTimeoutMs: this.#options.firstRequestTimeoutMs ?? FIRST_REQUEST_TIMEOUT_MS,
      note: (reason, fields) => this.#closings.note(reason, peer, fields),
    });
    try {
      const place = this.#places.enter(address, connection);
      socket.once('close', () => place.leave());
    } catch {
      this.#refuse(socket, peer, 'full');
      return;
    }
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#connections.delete(socket));
    this.#handOn(socket, connection);
  }

  /** The connection of a socket that was accepted. */
  connectionOf(socket: Socket): GuardedConnection | undefined {
    return this.#connections.get(socket);
  }

  /** Accepts so many connections at the same time from now on. */
  limitTo(connections: number): void {
    this.#places.limitTo(connections);
  }

  /** Stops the clock; sockets are the listener's. */
  close(): void {
    this.#places.close();
  }

  #handOn(socket: Socket, connection: Connection): void {
    const { isSecure, inject } = this.#options;
    if (isSecure) {
      inject(socket);
      return;
    }
    watchProtocol(socket, (protocol) => {
      if (protocol === 'HTTP/2') inject(socket);
      else connection.unknownProtocol(socket, protocol);
    });
  }

  #refuse(socket: Socket, peer: string, reason: 'full' | 'banned'): void {
    this.#closings.note(reason, peer);
    socket.destroy();
  }
}
