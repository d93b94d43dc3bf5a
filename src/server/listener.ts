/**
 * The listening socket. It is ours and not grpc-js', so that connections can be
 * counted, refused and ended for certain.
 *
 * Invariant: `sockets` holds every accepted connection until it has closed.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { TransferError, errnoOf } from '../base/errors.ts';
import { type ListenAddress, writeListenAddress } from '../config/listen-address.ts';

/** A connection that has sent nothing by then is no gRPC client. */
const FIRST_BYTE_TIMEOUT_MS = 20_000;

export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #maxConnections: number;
  readonly #accept: (socket: Socket) => void;
  #onceEmpty: (() => void) | null = null;

  constructor(maxConnections: number, accept: (socket: Socket) => void) {
    this.#maxConnections = maxConnections;
    this.#accept = accept;
    this.#server = createServer({ noDelay: true }, (socket) => this.#connected(socket));
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Resolves with the address as a client writes it; throws INVALID_CONFIG when it cannot be had. */
  async listen(address: ListenAddress): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(refusal(address, error)));
      const where = address.kind === 'unix' ? { path: address.path } : { port: address.port, host: address.host || '::' };
      this.#server.listen(where, resolve);
    });
    const bound = this.#server.address();
    if (address.kind === 'unix' || bound === null || typeof bound === 'string') return writeListenAddress(address);
    return writeListenAddress({ kind: 'tcp', host: address.host || bound.address, port: bound.port });
  }

  /** No new connections from here on. */
  close(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** Resolves when no connection is left, at the latest after `timeoutMs`. */
  async empty(timeoutMs: number): Promise<void> {
    if (this.#sockets.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onceEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Ends every connection now. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #connected(socket: Socket): void {
    if (this.#sockets.size >= this.#maxConnections) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const silent = setTimeout(() => {
      if (socket.bytesRead === 0) socket.destroy();
    }, FIRST_BYTE_TIMEOUT_MS).unref();
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(silent);
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onceEmpty?.();
    });
    this.#accept(socket);
  }
}

function refusal(address: ListenAddress, error: Error): TransferError {
  const where = writeListenAddress(address);
  const why = REFUSALS[errnoOf(error) ?? ''] ?? `cannot listen there: ${error.message}`;
  return new TransferError('INVALID_CONFIG', `listen ${where}: ${why}`, { cause: error });
}

const REFUSALS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; stop it or choose another port (port 0 picks a free one)',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'not permitted; ports below 1024 need privileges, choose a higher one',
  ENOTFOUND: 'the host name is unknown',
  ENOENT: 'the directory of the socket does not exist',
};
