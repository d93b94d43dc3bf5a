/**
 * The listening socket, apart from grpc-js, so that connections can be counted,
 * refused (by the gate) and ended for certain.
 *
 * Invariant: `sockets` holds every accepted connection until it has closed.
 */
import { once } from 'node:events';
import { lstat, rm } from 'node:fs/promises';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { errnoOf, TransferError } from '../base/errors.ts';
import { type ListenAddress, writeListenAddress } from '../config/listen-address.ts';

export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #accept: (socket: Socket) => void;
  #onceEmpty: (() => void) | null = null;

  constructor(accept: (socket: Socket) => void) {
    this.#accept = accept;
    this.#server = createServer({ noDelay: true }, (socket) => this.#connected(socket));
    // An accept fails without descriptors; the server goes on. `listen` has its own listener.
    this.#server.on('error', () => {});
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Resolves with the address as a client writes it; throws INVALID_CONFIG when it cannot be had. */
  async listen(address: ListenAddress): Promise<string> {
    try {
      await this.#bind(address);
    } catch (reason) {
      if (address.kind !== 'unix' || !(await isLeftBehind(address.path, reason))) {
        throw refusal(address, reason);
      }
      await rm(address.path);
      await this.#bind(address).catch((again: unknown) => {
        throw refusal(address, again);
      });
    }
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string' || address.kind === 'unix')
      return writeListenAddress(address);
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

  async #bind(address: ListenAddress): Promise<void> {
    this.#server.listen(address.kind === 'unix' ? { path: address.path } : placeOf(address));
    await once(this.#server, 'listening');
  }

  #connected(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onceEmpty?.();
    });
    this.#accept(socket);
  }
}

/** Without a host Node listens on all addresses, IPv6 included. */
function placeOf({ host, port }: { host: string; port: number }): ListenOptions {
  return host === '' ? { port } : { host, port };
}

/**
 * Whether the path is a Unix socket whose server ended without removing it: nobody answers there.
 * Throws when the path is no socket: a file there answers a connect as a socket that was left does.
 */
async function isLeftBehind(path: string, reason: unknown): Promise<boolean> {
  if (errnoOf(reason) !== 'EADDRINUSE') return false;
  if (!(await lstat(path)).isSocket()) {
    const remedy = 'that path is not a socket and is left as it is; move it away or choose another path';
    throw new TransferError('INVALID_CONFIG', `listen unix:${path}: ${remedy}`);
  }
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return false;
  } catch (answer) {
    return errnoOf(answer) === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}

function refusal(address: ListenAddress, reason: unknown): TransferError {
  const where = writeListenAddress(address);
  const why = REFUSALS[errnoOf(reason) ?? ''] ?? `cannot listen there: ${String(reason)}`;
  return new TransferError('INVALID_CONFIG', `listen ${where}: ${why}`, { cause: reason });
}

const REFUSALS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; stop it or choose another port (port 0 picks a free one)',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'not permitted; ports below 1024 need privileges, choose a higher one',
  ENOTFOUND: 'the host name is unknown',
  ENOENT: 'the directory of the socket does not exist',
};
