/** The HTTP listener for operators, as part of a server's life. */
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Access } from '../access/access.ts';
import { ANONYMOUS } from '../access/identity.ts';
import type { Admin, Caller } from '../admin/admin.ts';
import type { AdminListener, ListenerTls } from '../admin/http/admin-listener.ts';
import { isLocalPeer } from '../admin/rights.ts';
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { type PeerAddresses, writePeer } from '../base/peer-address.ts';
import { isOff } from '../config/listen-address.ts';
import { settingOfKey } from '../config/settings.ts';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../storage/store.ts';
import { REQUEST_ID, requestIdOf } from '../wire/request-id.ts';

/** Loading what it needs keeps the event loop busy for a tenth of a second and more: the first calls go first. */
const OPEN_DELAY_MS = 250;

/** A file system that is gone does not answer at all. */
const CHECK_TIMEOUT_MS = 2_000;

export interface AdminPortParts {
  readonly admin: Admin;
  /** null: whoever comes over the loopback interface may do everything. */
  readonly access: Access | null;
  readonly certificates: ListenerTls | null;
  readonly engine: Engine;
  readonly store: Store;
  readonly peers: PeerAddresses;
  readonly logger: Logger;
}

export class AdminPort {
  readonly #parts: AdminPortParts;
  readonly #listen: string;
  #delay: NodeJS.Timeout | undefined;
  #opening: Promise<void> | null = null;
  #listener: AdminListener | null = null;
  #isDraining = false;

  constructor(parts: AdminPortParts) {
    this.#parts = parts;
    this.#listen = parts.admin.observed.config.admin.listen;
  }

  /** Where it listens; null: not yet, or not at all. */
  get address(): string | null {
    return this.#listener?.address ?? null;
  }

  /**
   * Listens, where the configuration wants that. Resolves once it does; at once where nobody asked for the
   * address, and it follows a moment later.
   *
   * @throws TransferError INVALID_CONFIG where an address that was asked for cannot be had.
   */
  async begin(): Promise<void> {
    if (isOff(this.#listen)) return;
    if (this.#listen !== settingOfKey('admin.listen')?.meta.initial) {
      this.#opening = this.#open();
      await this.#opening;
      return;
    }
    this.#delay = setTimeout(() => {
      this.#opening = this.#open().catch((reason: unknown) => this.#goWithout(reason));
    }, OPEN_DELAY_MS).unref();
  }

  /** From now on the server is not ready, also while it still serves. */
  drain(): void {
    this.#isDraining = true;
  }

  async close(): Promise<void> {
    clearTimeout(this.#delay);
    await this.#opening?.catch(() => {});
    await this.#listener?.close();
  }

  async #open(): Promise<void> {
    const { admin, certificates, logger } = this.#parts;
    // Loaded late: what it needs is much, and a server starts without it.
    const { AdminListener: Listener } = await import('../admin/http/admin-listener.ts');
    this.#listener = await Listener.open(this.#listen, {
      admin,
      tls: certificates,
      callerOf: (request) => this.#callerOf(request),
      whyNotReady: () => this.#whyNotReady(),
    });
    logger.info({ address: this.#listener.address }, 'metrics and probes are served');
  }

  async #callerOf({ headers, socket }: IncomingMessage): Promise<Caller> {
    const { access, peers } = this.#parts;
    const from = {
      isLocal: isLocalPeer(peers.of(socket), this.#listen.startsWith('unix:')),
      peer: writePeer(socket),
      requestId: requestIdOf(headers[REQUEST_ID]),
    };
    if (access === null) return { identity: ANONYMOUS, ...from };
    const identity = await access.identify({
      headers,
      address: socket.remoteAddress,
      get peerCertificate() {
        return socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
      },
    });
    return { identity, ...from };
  }

  #goWithout(reason: unknown): void {
    const { logger } = this.#parts;
    const remedy = 'set admin.listen to another address, or off';
    const { message } = TransferError.from(reason);
    logger.warn({ problem: message }, `there are no metrics and probes; ${remedy}`);
  }

  async #whyNotReady(): Promise<string | null> {
    const { engine, store } = this.#parts;
    if (this.#isDraining) return 'draining';
    if (engine.workers.alive === 0) return 'no worker thread is alive';
    const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
    const late = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('no answer')), { once: true });
    });
    try {
      await Promise.race([store.checkReachable?.(), late]);
      return null;
    } catch (reason) {
      return `the store cannot be reached: ${TransferError.from(reason).message}`;
    }
  }
}
