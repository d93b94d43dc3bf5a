/**
 * The server's life: new → starting → serving → draining → stopped.
 *
 * Draining: health says NOT_SERVING, while calls are still served for the pause;
 * then no new connections, GOAWAY on the ones there are, behind the first request
 * of a peer that has just connected; transfers in flight finish up to the grace
 * time; then uploads end behind what they have received, which is made durable,
 * connections are destroyed and the threads ended. `stop` is safe to call twice.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { HealthImplementation } from 'grpc-health-check';
import type { Counters } from '../base/counters/counters.ts';
import { TransferError } from '../base/errors.ts';
import { parseListenAddress } from '../config/listen-address.ts';
import type { Config } from '../config/schema.ts';
import type { Engine } from '../engine/engine.ts';
import { gateStreams } from '../flow/gate/stream-gate.ts';
import { SERVICE_NAME } from '../wire/service.ts';
import { AdminPort } from './admin-port.ts';
import { Certificates } from './certificates.ts';
import { Gate } from './gate.ts';
import { Listener } from './listener.ts';
import type { PrimaryLink } from './processes/link.ts';
import { Reload, type Reloadable } from './reload.ts';
import { ServerRecords, Services, type ServicesOptions } from './services.ts';
import { addStandardServices } from './standard-services.ts';
import { type ServerStats, serverStats } from './stats.ts';

export interface SluiceServerOptions extends ServicesOptions {
  /** Parts of the caller that take over settings in `reload`, beside those of the server. */
  reloads?: readonly Reloadable[] | undefined;
}

interface Running {
  services: Services;
  adminPort: AdminPort;
  grpc: Server;
  health: HealthImplementation;
  listener: Listener;
  gate: Gate;
  /** null: without TLS. */
  certificates: Certificates | null;
  /** Sends GOAWAY on every connection; resolves when no new request can come, after `graceMs` at the latest. */
  goAway: (graceMs: number) => Promise<void>;
}

/** Time for a peer after its last call to take bytes in flight and to close the connection. */
const CLOSE_MARGIN_MS = 500;

/** The engine of a running server; for tests, which break its parts. Not exported from the package. */
export let engineOf: (server: SluiceServer) => Engine | undefined;

/** What a server has counted; for tests. Not exported from the package. */
export let countersOf: (server: SluiceServer) => Counters;

export class SluiceServer {
  static {
    engineOf = (server) => server.#running?.services.engine;
    countersOf = (server) => server.#records.counters;
  }

  readonly #config: Config;
  readonly #records: ServerRecords;
  readonly #reload: Reload;
  readonly #options: SluiceServerOptions;
  readonly #primary: PrimaryLink | undefined;
  #shutdown: Config['shutdown'];
  #starting: Promise<Running> | null = null;
  #running: Running | null = null;
  #stopped: Promise<void> | null = null;

  /**
   * `config` is complete and valid: `loadConfig` made it.
   *
   * @param primary of one of several processes of `sluice serve`
   */
  constructor(config: Config, options: SluiceServerOptions = {}, primary?: PrimaryLink) {
    this.#primary = primary;
    this.#config = config;
    this.#records = new ServerRecords(options.logger);
    this.#shutdown = config.shutdown;
    this.#reload = new Reload(config, this.#records.logger, options.store !== undefined);
    this.#reload.register({
      what: 'shutdown',
      keys: ['shutdown.pause', 'shutdown.grace'],
      reload: async ({ shutdown }) => {
        this.#shutdown = shutdown;
        return null;
      },
    });
    for (const part of options.reloads ?? []) this.#reload.register(part);
    this.#options = options;
  }

  /**
   * Resolves once calls are accepted. Throws INVALID_CONFIG for what the operator can mend, INVALID_ARGUMENT
   * the second time: a server starts once, also when it failed or has stopped.
   */
  async start(): Promise<{ address: string }> {
    if (this.#starting !== null) {
      throw new TransferError('INVALID_ARGUMENT', 'a server starts once; make a new SluiceServer');
    }
    this.#starting = this.#start();
    const running = await this.#starting;
    const { certificates, gate, services } = running;
    const { accessFile } = services;
    this.#reload.register({
      what: 'limits',
      keys: [
        'limits.streams',
        'limits.uploadStreams',
        'limits.calls',
        'limits.requests',
        'limits.connections',
      ],
      reload: async ({ limits }) => {
        services.limitTo(limits);
        gate.limitTo(limits.connections);
        return null;
      },
    });
    if (accessFile !== null) this.#reload.register(accessFile);
    if (certificates !== null) {
      certificates.follow();
      this.#reload.register(certificates);
    }
    this.#running = running;
    return { address: services.address };
  }

  async #start(): Promise<Running> {
    const config = this.#config;
    const { counters, logger } = this.#records;
    const listenAddress = parseListenAddress(config.listen);
    const certificates = config.tls.cert === '' ? null : await Certificates.open(config.tls, logger);
    const credentials = certificates?.credentials ?? ServerCredentials.createInsecure();
    const inForce = () => this.#reload.inForce;
    const services = await Services.open(config, this.#options, this.#records, inForce, this.#primary);
    const { access, admin, engine, peers, prelude, storage } = services;
    try {
      const grpc = new Server(services.grpcOptions);
      services.bind(grpc);
      const health = await addStandardServices(grpc, prelude);
      const { gate, goAway } = this.#gateBefore(grpc, credentials, services);
      const listener = new Listener((socket) => gate.accept(socket));
      counters.connections.observe(() => listener.connectionCount);
      services.address = await listener.listen(listenAddress);
      admin.start();
      const parts = { admin, access, certificates, engine, store: storage.store, peers, logger };
      const adminPort = new AdminPort(parts);
      await adminPort.begin().catch((reason: unknown) => {
        listener.close();
        listener.destroyAll();
        throw reason;
      });
      return { services, adminPort, grpc, health, listener, gate, certificates, goAway };
    } catch (error) {
      await services.drain(0);
      await services.close();
      throw error;
    }
  }

  /**
   * Takes over the settings that docs/configuration.md marks as live, and reads certificates and the access file again.
   * One line of the log says what changed, what cannot be used and stays as it was, and which settings take a restart.
   * `config` is complete and valid.
   */
  async reload(config: Config): Promise<void> {
    await this.#starting?.catch(() => null);
    await this.#reload.run(config);
  }

  /** Where operators find metrics and probes; null: not yet, or not at all. */
  get adminAddress(): string | null {
    return this.#running?.adminPort.address ?? null;
  }

  /** What the server holds now; throws when it is not running. */
  stats(): ServerStats {
    if (this.#running === null) throw new TransferError('INVALID_ARGUMENT', 'the server is not running');
    return serverStats(this.#records.counters);
  }

  /**
   * Serves on for shutdown.pause with a health check that says NOT_SERVING, drains for at most `graceMs` (default:
   * shutdown.grace), then ends everything. What a file system that does not
   * answer keeps busy, a thread or a descriptor, is left behind after some seconds more.
   */
  stop(graceMs = this.#shutdown.grace): Promise<void> {
    this.#stopped ??= this.#stop(graceMs, false);
    return this.#stopped;
  }

  /** As `stop`, while other processes serve the same addresses: at once, and without a word to health checks. */
  leave(): Promise<void> {
    this.#stopped ??= this.#stop(this.#shutdown.grace, true);
    return this.#stopped;
  }

  #gateBefore(
    grpc: Server,
    credentials: ServerCredentials,
    { peers, prelude }: Services,
  ): Pick<Running, 'gate' | 'goAway'> {
    const { limits, tls } = this.#config;
    const { counters, events, logger } = this.#records;
    const streams = gateStreams(grpc, credentials, {
      connectionOf: (socket) => gate.connectionOf(socket),
      takesStream: (path) => prelude.takesStream(path),
      speaksFirst: (path) => prelude.speaksFirst(path),
      admit: (stream, headers) => prelude.admit(stream, headers),
    });
    const gate = new Gate({
      connections: limits.connections,
      streamsPerConnection: limits.streamsPerConnection,
      isSecure: tls.cert !== '',
      peers,
      logger,
      counters,
      onClosing: (reason, peer, message) => events.addClosing(reason, peer, message),
      inject: (socket) => streams.inject(socket),
    });
    if (!streams.isGuarded) {
      logger.warn(
        { node: process.version },
        'requests cannot be inspected before gRPC on this version of Node; what hostile peers can cost is not bounded',
      );
    }
    return { gate, goAway: (graceMs) => streams.goAway(graceMs) };
  }

  async #stop(graceMs: number, isReplaced: boolean): Promise<void> {
    // A failed start left nothing to stop.
    const running = await this.#starting?.catch(() => null);
    if (!running) return;
    const { services, adminPort, grpc, health, listener, gate, certificates, goAway } = running;
    if (!isReplaced) {
      health.setStatus('', 'NOT_SERVING');
      health.setStatus(SERVICE_NAME, 'NOT_SERVING');
      adminPort.drain();
      if (this.#shutdown.pause > 0) await delay(this.#shutdown.pause);
    }
    listener.close();
    // Running calls end with UNAVAILABLE, and may send that before their connection closes.
    await services.drain(graceMs, goAway(graceMs));
    await listener.empty(CLOSE_MARGIN_MS);
    listener.destroyAll();
    grpc.forceShutdown();
    gate.close();
    certificates?.close();
    await adminPort.close();
    await services.close();
    this.#running = null;
  }
}
