/**
 * The server's life: new → starting → serving → draining → stopped.
 *
 * Draining: health says NOT_SERVING, while calls are still served for the pause;
 * then no new connections, GOAWAY on the ones there are, transfers in flight
 * finish up to the grace time; then uploads end behind what they have received,
 * which is made durable, connections are destroyed and the threads ended. `stop` is safe to call twice.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import type { HealthImplementation } from 'grpc-health-check';
import type { Access } from '../access/access.ts';
import type { FileAccess } from '../access/file-access.ts';
import type { AccessFunctions } from '../access/own-access.ts';
import { Admin } from '../admin/admin.ts';
import { bindAdminService } from '../admin/bind.ts';
import { RecentEvents } from '../admin/events.ts';
import type { MayAdminister } from '../admin/rights.ts';
import { CalmLogger } from '../base/calm-logger.ts';
import { Counters } from '../base/counters/counters.ts';
import { stopping, TransferError } from '../base/errors.ts';
import { MAX_REQUEST_MESSAGE_BYTES } from '../base/limits.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { PeerAddresses } from '../base/peer-address.ts';
import type { OpenTelemetryApi } from '../base/tracing.ts';
import { parseListenAddress } from '../config/listen-address.ts';
import type { Config } from '../config/schema.ts';
import { trustedProxiesOf } from '../config/trusted-proxies.ts';
import { Engine } from '../engine/engine.ts';
import { inflateRequests } from '../flow/gate/inflate-requests.ts';
import { gateStreams } from '../flow/gate/stream-gate.ts';
import { directReadsWork } from '../flow/self-tests/direct-read-test.ts';
import { zeroCopyWorks } from '../flow/self-tests/zero-copy-test.ts';
import type { StreamWindows } from '../flow/windows/receive-windows.ts';
import { bindTransferService } from '../service/bind.ts';
import { CallPrelude } from '../service/prelude/call-prelude.ts';
import { LiveUploads } from '../service/uploads/live-uploads.ts';
import type { Store } from '../storage/store.ts';
import type { UploadStore } from '../storage/upload-store.ts';
import { SERVICE_NAME } from '../wire/service.ts';
import { openAccess } from './access.ts';
import { AdminPort } from './admin-port.ts';
import { Certificates } from './certificates.ts';
import { Gate } from './gate.ts';
import { Listener } from './listener.ts';
import { Reload, type Reloadable } from './reload.ts';
import { addStandardServices } from './standard-services.ts';
import { type ServerStats, serverStats } from './stats.ts';
import { givenStorage, openLocalStorage, type Storage, withQuotas } from './storage.ts';
import { uploadWindows } from './upload-windows.ts';

export interface SluiceServerOptions extends AccessFunctions {
  /** Default: drops everything. */
  logger?: Logger | undefined;
  /** false sends and receives every message through grpc-js' copying path, as where the self-tests fail. */
  zeroCopy?: boolean | undefined;
  /**
   * Where the files are; whoever made it closes it, behind the server. Default: the directory `config.root`.
   */
  store?: Store | undefined;
  /** Parts of the caller that take over settings in `reload`, beside those of the server. */
  reloads?: readonly Reloadable[] | undefined;
  /** Where uploads go that `config.writable` lets in, when `store` is given. As `store`. */
  uploads?: UploadStore | undefined;
  /** The module `@opentelemetry/api` of the program, for a span of each call. Default: none. */
  openTelemetry?: OpenTelemetryApi | undefined;
}

interface Running {
  address: string;
  access: Access | null;
  accessFile: FileAccess | null;
  storage: Storage;
  windows: StreamWindows;
  engine: Engine;
  uploads: LiveUploads;
  prelude: CallPrelude;
  admin: Admin;
  adminPort: AdminPort;
  grpc: Server;
  health: HealthImplementation;
  listener: Listener;
  gate: Gate;
  /** null: without TLS. */
  certificates: Certificates | null;
  /** Sends GOAWAY on every connection; calls under way go on. */
  goAway: () => void;
}

/** Time for a peer after its last call to take bytes in flight and to close the connection. */
const CLOSE_MARGIN_MS = 500;

/** Time for threads, and then the store, to end system calls: on a dead file system they never return. */
const LAST_CALLS_MS = 5_000;

const UPLOAD_PATH = `/${SERVICE_NAME}/UploadFile`;

/** The engine of a running server; for tests, which break its parts. Not exported from the package. */
export let engineOf: (server: SluiceServer) => Engine | undefined;

/** What a server has counted; for tests. Not exported from the package. */
export let countersOf: (server: SluiceServer) => Counters;

export class SluiceServer {
  static {
    engineOf = (server) => server.#running?.engine;
    countersOf = (server) => server.#counters;
  }

  readonly #config: Config;
  readonly #counters = new Counters();
  readonly #events = new RecentEvents();
  readonly #logger: CalmLogger;
  readonly #reload: Reload;
  readonly #zeroCopy: boolean;
  readonly #options: SluiceServerOptions;
  #shutdown: Config['shutdown'];
  readonly #draining = new AbortController();
  #starting: Promise<Running> | null = null;
  #running: Running | null = null;
  #stopped: Promise<void> | null = null;

  /** `config` is complete and valid: `loadConfig` made it. */
  constructor(config: Config, options: SluiceServerOptions = {}) {
    this.#config = config;
    this.#logger = new CalmLogger(options.logger ?? silentLogger, this.#counters);
    this.#shutdown = config.shutdown;
    this.#reload = new Reload(config, this.#logger);
    this.#reload.register({
      what: 'shutdown',
      keys: ['shutdown.pause', 'shutdown.grace'],
      reload: async ({ shutdown }) => {
        this.#shutdown = shutdown;
        return null;
      },
    });
    for (const part of options.reloads ?? []) this.#reload.register(part);
    this.#zeroCopy = options.zeroCopy ?? true;
    this.#options = options;
    // Every Exchange listens.
    setMaxListeners(0, this.#draining.signal);
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
    const { accessFile, certificates } = running;
    if (accessFile !== null) this.#reload.register(accessFile);
    if (certificates !== null) {
      certificates.follow();
      this.#reload.register(certificates);
    }
    this.#running = running;
    return { address: running.address };
  }

  async #start(): Promise<Running> {
    const config = this.#config;
    const listenAddress = parseListenAddress(config.listen);
    const certificates = config.tls.cert === '' ? null : await Certificates.open(config.tls, this.#logger);
    const credentials = certificates?.credentials ?? ServerCredentials.createInsecure();
    const { access, file: accessFile } = await openAccess(config, this.#options, this.#logger);
    const stored = await this.#storage().catch((error: unknown) => {
      access?.close();
      throw error;
    });
    const storage = withQuotas(stored, access, this.#logger);
    const engine = new Engine({ ...engineOptions(config, this.#logger), counters: this.#counters });
    try {
      const [zeroCopy, directReads, windows] = await Promise.all([
        this.#zeroCopy && zeroCopyWorks(),
        this.#zeroCopy && directReadsWork(),
        uploadWindows(config, this.#logger),
        engine.start(),
      ]);
      if (this.#zeroCopy && !zeroCopy) {
        this.#logger.warn(
          { node: process.version },
          'zero-copy sends do not work on this version of Node; messages are copied',
        );
      }
      if (this.#zeroCopy && !directReads) {
        this.#logger.warn(
          { node: process.version },
          'direct reads do not work on this version of Node; uploads are copied once more',
        );
      }
      const grpc = new Server(grpcOptions(config, directReads));
      const peers = new PeerAddresses(trustedProxiesOf(config.limits.trustedProxies));
      const prelude = new CallPrelude({
        limits: config.limits,
        peers,
        logger: this.#logger,
        counters: this.#counters,
        onError: (request, code, error) => this.#events.addCall(request, code, error),
        openTelemetry: this.#options.openTelemetry,
        access,
      });
      const uploads = new LiveUploads(storage.uploads);
      bindTransferService(grpc, prelude, {
        store: storage.store,
        uploads,
        engine,
        counters: this.#counters,
        zeroCopy,
        directReads,
        draining: this.#draining.signal,
        uploadWindows: windows,
        chunk: config.chunk,
        compression: config.compression,
        stallTimeoutMs: config.stream.stallTimeout,
        stallLingerMs: config.stream.stallLinger,
      });
      const admin = this.#adminOf(prelude, uploads, access);
      bindAdminService(grpc, prelude, admin);
      const health = await addStandardServices(grpc, prelude);
      const { gate, goAway } = this.#gateBefore(grpc, credentials, prelude, peers);
      const listener = new Listener((socket) => gate.accept(socket));
      this.#counters.openUploads.observe(() => uploads.open().length);
      observe(this.#counters, listener, windows);
      const address = await listener.listen(listenAddress);
      admin.start();
      const adminPort = new AdminPort({
        admin,
        access,
        certificates,
        engine,
        store: storage.store,
        peers,
        logger: this.#logger,
      });
      await adminPort.begin().catch((reason: unknown) => {
        listener.close();
        listener.destroyAll();
        admin.close();
        throw reason;
      });
      return {
        address,
        access,
        accessFile,
        storage,
        windows,
        engine,
        uploads,
        prelude,
        admin,
        adminPort,
        grpc,
        health,
        listener,
        gate,
        certificates,
        goAway,
      };
    } catch (error) {
      access?.close();
      await Promise.all([engine.stop(), storage.interrupt()]);
      await storage.close();
      throw error;
    }
  }

  async #storage(): Promise<Storage> {
    const { store, uploads } = this.#options;
    if (store === undefined) return await openLocalStorage(this.#config, this.#logger, this.#counters);
    return givenStorage(this.#config, store, uploads);
  }

  /**
   * Takes over what can change while the server runs: certificates, whose files are read again, and a few settings.
   * What cannot change or be used is logged, and stays as it is. `config` is complete and valid.
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
    return serverStats(this.#counters);
  }

  /**
   * Serves on for shutdown.pause with a health check that says NOT_SERVING, drains for at most `graceMs` (default:
   * shutdown.grace), then ends everything. What a file system that does not
   * answer keeps busy, a thread or a descriptor, is left behind after some seconds more.
   */
  stop(graceMs = this.#shutdown.grace): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  #gateBefore(
    grpc: Server,
    credentials: ServerCredentials,
    prelude: CallPrelude,
    peers: PeerAddresses,
  ): Pick<Running, 'gate' | 'goAway'> {
    const { limits, tls } = this.#config;
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
      logger: this.#logger,
      counters: this.#counters,
      onClosing: (reason, peer, message) => this.#events.addClosing(reason, peer, message),
      inject: (socket) => streams.inject(socket),
    });
    if (!streams.isGuarded) {
      this.#logger.warn(
        { node: process.version },
        'requests cannot be inspected before gRPC on this version of Node; what hostile peers can cost is not bounded',
      );
    }
    return { gate, goAway: () => streams.goAway() };
  }

  #adminOf(prelude: CallPrelude, uploads: LiveUploads, access: Access | null): Admin {
    const may: MayAdminister | undefined =
      access === null ? undefined : (identity, right) => access.policy.mayServer(identity, right);
    const observed = {
      config: this.#config,
      counters: this.#counters,
      prelude,
      uploads,
      events: this.#events,
      startedMs: Date.now(),
      address: () => this.#running?.address ?? '',
      isDraining: () => this.#stopped !== null,
    };
    return new Admin(observed, may);
  }

  async #stop(graceMs: number): Promise<void> {
    // A failed start left nothing to stop.
    const running = await this.#starting?.catch(() => null);
    if (!running) return;
    const { access, storage, windows, engine, prelude, admin, grpc, health, listener, gate, goAway } =
      running;
    health.setStatus('', 'NOT_SERVING');
    health.setStatus(SERVICE_NAME, 'NOT_SERVING');
    if (this.#shutdown.pause > 0) await delay(this.#shutdown.pause);
    this.#draining.abort();
    listener.close();
    goAway();
    await Promise.race([prelude.noneUnderWay(), delay(graceMs, undefined, { ref: false })]);
    await this.#atMost('uploads', running.uploads.endAll(stopping()));
    // Running calls end with UNAVAILABLE, and may send that before their connection closes.
    await this.#atMost('threads', Promise.all([engine.stop(), storage.interrupt()]));
    await listener.empty(CLOSE_MARGIN_MS);
    listener.destroyAll();
    grpc.forceShutdown();
    prelude.close();
    await running.adminPort.close();
    admin.close();
    gate.close();
    running.certificates?.close();
    access?.close();
    windows.close();
    await this.#atMost('files', storage.close());
    this.#logger.close();
    this.#running = null;
  }

  /** Bytes not durable by then were never acknowledged; the next server finds the others. */
  async #atMost(what: string, ended: Promise<unknown>): Promise<void> {
    const isLate = await Promise.race([ended.then(() => false), delay(LAST_CALLS_MS, true, { ref: false })]);
    if (!isLate) return;
    ended.catch(() => {});
    this.#logger.error(
      { what, waitedMs: LAST_CALLS_MS },
      'a system call does not return; stopping without it',
    );
  }
}

function observe(
  { connections, windowBytes, windowSessions }: Counters,
  listener: Listener,
  windows: StreamWindows,
) {
  connections.observe(() => listener.connectionCount);
  windowSessions.observe(() => windows.stats().sessions);
  windowBytes.observe(() => windows.stats().grantedBytes, 'granted');
  windowBytes.observe(() => windows.stats().largestWindowBytes, 'largest');
}

function engineOptions(config: Config, logger: Logger) {
  return {
    threads: config.pool.threads,
    niceness: config.pool.niceness,
    slabBytes: config.slab.size,
    slabCount: config.slab.count,
    jobsInFlight: config.stream.jobsInFlight,
    firstMessageBytes: config.stream.firstMessage,
    gzipLevel: config.compression.level,
    maxGzipLevel: config.compression.maxLevel,
    logger,
  };
}

/** 0 in the configuration means never; for grpc-js a missing option does. */
function grpcOptions(config: Config, directReads: boolean): ServerOptions {
  const { chunk, connection, limits } = config;
  // With direct reads grpc-js sees no chunks. Compressed noise is a little longer than noise.
  const chunkMessageBytes = directReads ? 0 : chunk.maxSize + 2 * MAX_REQUEST_MESSAGE_BYTES;
  return {
    'grpc.enable_channelz': 0,
    interceptors: [inflateRequests(UPLOAD_PATH)],
    // Runs are larger than any one message; their size is bounded by the slab.
    'grpc.max_send_message_length': -1,
    'grpc.max_receive_message_length': Math.max(MAX_REQUEST_MESSAGE_BYTES, chunkMessageBytes),
    'grpc.max_concurrent_streams': limits.streamsPerConnection,
    'grpc.keepalive_time_ms': connection.keepaliveTime,
    'grpc.keepalive_timeout_ms': connection.keepaliveTimeout,
    ...(connection.maxAge > 0
      ? {
          'grpc.max_connection_age_ms': connection.maxAge,
          'grpc.max_connection_age_grace_ms': connection.maxAgeGrace,
        }
      : {}),
    ...(connection.maxIdle > 0 ? { 'grpc.max_connection_idle_ms': connection.maxIdle } : {}),
  };
}
