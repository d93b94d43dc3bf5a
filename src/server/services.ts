/**
 * The services of sluice with all that they need below: access, storage, threads,
 * slabs and windows. They are bound to a gRPC server, whose connections are not
 * their business.
 *
 *   open ──▶ bound ──drain──▶ drained ──close──▶ closed
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Server, ServerOptions } from '@grpc/grpc-js';
import type { Access } from '../access/access.ts';
import type { FileAccess } from '../access/file-access.ts';
import type { AccessFunctions } from '../access/own-access.ts';
import { Admin } from '../admin/admin.ts';
import { bindAdminService } from '../admin/bind.ts';
import { RecentEvents } from '../admin/events.ts';
import { type MetricsRegistry, registerCounters } from '../admin/metrics.ts';
import type { MayAdminister } from '../admin/rights.ts';
import { CalmLogger } from '../base/calm-logger.ts';
import { Counters } from '../base/counters/counters.ts';
import { stopping } from '../base/errors.ts';
import { MAX_REQUEST_MESSAGE_BYTES } from '../base/limits.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { PeerAddresses } from '../base/peer-address.ts';
import type { OpenTelemetryApi } from '../base/tracing.ts';
import type { Config } from '../config/schema.ts';
import { trustedProxiesOf } from '../config/trusted-proxies.ts';
import { Engine } from '../engine/engine.ts';
import { inflateRequests } from '../flow/gate/inflate-requests.ts';
import { directReadsWork } from '../flow/self-tests/direct-read-test.ts';
import { zeroCopyWorks } from '../flow/self-tests/zero-copy-test.ts';
import { bindTransferService } from '../service/bind.ts';
import { CallPrelude } from '../service/prelude/call-prelude.ts';
import { LiveUploads } from '../service/uploads/live-uploads.ts';
import type { Store } from '../storage/store.ts';
import type { UploadStore } from '../storage/upload-store.ts';
import { SERVICE_NAME } from '../wire/service.ts';
import { openAccess } from './access.ts';
import type { PrimaryLink } from './processes/link.ts';
import { givenStorage, openRootStorage, type Storage, withQuotas } from './storage.ts';
import { type UploadWindows, uploadWindows } from './upload-windows.ts';

export type { MetricsRegistry };

/** What a program gives to its services in place of what they have by themselves. */
export interface ServicesOptions extends AccessFunctions {
  /** Default: drops everything. */
  logger?: Logger | undefined;
  /** false sends and receives every message through grpc-js' copying path, as where the self-tests fail. */
  zeroCopy?: boolean | undefined;
  /**
   * Where the files are; whoever made it closes it, behind the server. Default: the directory or bucket `config.root`.
   */
  store?: Store | undefined;
  /** Where uploads go that `config.writable` lets in, when `store` is given. As `store`. */
  uploads?: UploadStore | undefined;
  /** The module `@opentelemetry/api` of the program, for a span of each call. Default: none. */
  openTelemetry?: OpenTelemetryApi | undefined;
  /**
   * A `Registry` of prom-client, which has the metrics of the server beside those of the program until the server
   * has stopped. Default: only the listener for operators has them.
   */
  metrics?: MetricsRegistry | undefined;
}

/** What outlives the services: made with their server. */
export class ServerRecords {
  readonly counters = new Counters();
  readonly events = new RecentEvents();
  readonly logger: CalmLogger;

  constructor(logger: Logger = silentLogger) {
    this.logger = new CalmLogger(logger, this.counters);
  }
}

interface Parts {
  readonly config: Config;
  readonly records: ServerRecords;
  readonly access: Access | null;
  readonly accessFile: FileAccess | null;
  readonly storage: Storage;
  readonly engine: Engine;
  readonly receiving: UploadWindows;
  readonly zeroCopy: boolean;
  readonly directReads: boolean;
  readonly openTelemetry: OpenTelemetryApi | undefined;
  readonly metrics: MetricsRegistry | undefined;
  readonly inForce: () => Config;
  readonly primary: PrimaryLink | undefined;
}

/** Time for threads, and then the store, to end system calls: on a dead file system they never return. */
const LAST_CALLS_MS = 5_000;

const UPLOAD_PATH = `/${SERVICE_NAME}/UploadFile`;

export class Services {
  readonly access: Access | null;
  readonly accessFile: FileAccess | null;
  readonly admin: Admin;
  readonly engine: Engine;
  readonly peers: PeerAddresses;
  readonly prelude: CallPrelude;
  readonly storage: Storage;
  /** For the gRPC server that they are bound to. */
  readonly grpcOptions: ServerOptions;
  /** As a client writes it; told by whoever listens. */
  address = '';
  readonly #parts: Parts;
  readonly #uploads: LiveUploads;
  readonly #draining = new AbortController();
  readonly #forgetMetrics: () => void;

  /**
   * Throws INVALID_CONFIG for what the operator can mend.
   *
   * @param inForce the configuration as it is later, for operators
   * @param primary of one of several processes of a server
   */
  static async open(
    config: Config,
    options: ServicesOptions,
    records: ServerRecords,
    inForce: () => Config = () => config,
    primary?: PrimaryLink,
  ): Promise<Services> {
    const { counters, logger } = records;
    const { access, file: accessFile } = await openAccess(config, options, logger);
    const stored = await openStorage(config, options, records, primary).catch((error: unknown) => {
      access?.close();
      throw error;
    });
    const storage = withQuotas(stored, access, logger);
    const engine = new Engine({ ...engineOptions(config, logger), counters });
    const wantsZeroCopy = options.zeroCopy ?? true;
    try {
      const [zeroCopy, directReads, receiving] = await Promise.all([
        wantsZeroCopy && zeroCopyWorks(),
        wantsZeroCopy && directReadsWork(),
        uploadWindows(config, logger),
        engine.start(),
      ]);
      if (wantsZeroCopy) warnOfCopies(logger, zeroCopy, directReads);
      const { metrics, openTelemetry } = options;
      const parts = { access, accessFile, storage, engine, receiving, zeroCopy, directReads };
      return new Services({ ...parts, config, records, inForce, metrics, openTelemetry, primary });
    } catch (error) {
      access?.close();
      await Promise.all([engine.stop(), storage.interrupt()]);
      await storage.close();
      throw error;
    }
  }

  private constructor(parts: Parts) {
    const {
      access,
      accessFile,
      config,
      directReads,
      engine,
      metrics,
      openTelemetry,
      receiving: { windows },
      records,
      storage,
    } = parts;
    const { counters, events, logger } = records;
    this.#forgetMetrics = metrics === undefined ? () => {} : registerCounters(metrics, counters);
    this.#parts = parts;
    this.access = access;
    this.accessFile = accessFile;
    this.engine = engine;
    this.storage = storage;
    this.grpcOptions = grpcOptions(config, directReads);
    this.peers = new PeerAddresses(trustedProxiesOf(config.limits.trustedProxies));
    this.prelude = new CallPrelude({
      limits: config.limits,
      peers: this.peers,
      logger,
      counters,
      onError: (request, code, error) => events.addCall(request, code, error),
      openTelemetry,
      access,
    });
    this.#uploads = new LiveUploads(storage.uploads);
    this.admin = this.#adminOf();
    // Every Exchange listens.
    setMaxListeners(0, this.#draining.signal);
    counters.openUploads.observe(() => this.#uploads.open().length);
    counters.windowSessions.observe(() => windows.stats().sessions);
    counters.windowBytes.observe(() => windows.stats().grantedBytes, 'granted');
    counters.windowBytes.observe(() => windows.stats().largestWindowBytes, 'largest');
  }

  /** Adds them to a server that does not listen yet. */
  bind(grpc: Server): void {
    const { config, directReads, engine, receiving, records, storage, zeroCopy } = this.#parts;
    bindTransferService(grpc, this.prelude, {
      store: storage.store,
      uploads: this.#uploads,
      engine,
      counters: records.counters,
      zeroCopy,
      directReads,
      draining: this.#draining.signal,
      uploadWindows: receiving.windows,
      chunk: config.chunk,
      compression: config.compression,
      stallTimeoutMs: config.stream.stallTimeout,
      stallLingerMs: config.stream.stallLinger,
    });
    bindAdminService(grpc, this.prelude, this.admin);
  }

  /** Takes over limits that change while it runs. */
  limitTo(limits: Config['limits']): void {
    this.prelude.places.limitTo(limits);
    this.#parts.receiving.limitTo(limits.uploadStreams);
  }

  /** From now on no Exchange without open requests holds up the end. */
  beginDrain(): void {
    this.#draining.abort();
  }

  /**
   * Resolves when nothing runs any more: calls have ended by themselves within `graceMs`, uploads behind what they
   * have received, which is durable then, all others with UNAVAILABLE.
   *
   * @param noneToCome resolves when no new call can come
   */
  async drain(graceMs: number, noneToCome = Promise.resolve()): Promise<void> {
    this.beginDrain();
    const none = noneToCome.then(() => this.prelude.noneUnderWay());
    await Promise.race([none, delay(graceMs, undefined, { ref: false })]);
    await this.#atMost('uploads', this.#uploads.endAll(stopping()));
    await this.#atMost('threads', Promise.all([this.engine.stop(), this.storage.interrupt()]));
  }

  /** Behind `drain`, or instead where nobody was served yet. */
  async close(): Promise<void> {
    this.#forgetMetrics();
    this.prelude.close();
    this.admin.close();
    this.access?.close();
    this.#parts.receiving.windows.close();
    await this.#atMost('files', this.storage.close());
    this.#parts.records.logger.close();
  }

  #adminOf(): Admin {
    const { access, inForce, primary, records } = this.#parts;
    const may: MayAdminister | undefined =
      access === null ? undefined : (identity, right) => access.policy.mayServer(identity, right);
    const observed = {
      get config() {
        return inForce();
      },
      get whole() {
        return primary?.whole ?? inForce();
      },
      counters: records.counters,
      events: records.events,
      logger: records.logger,
      prelude: this.prelude,
      uploads: this.#uploads,
      startedMs: Date.now(),
      address: () => this.address,
      isDraining: () => this.#draining.signal.aborted,
    };
    const admin = new Admin(observed, may, primary?.processes);
    primary?.answerWith((question) => admin.answer(question));
    return admin;
  }

  /** Bytes not durable by then were never acknowledged; the next server finds the others. */
  async #atMost(what: string, ended: Promise<unknown>): Promise<void> {
    const isLate = await Promise.race([ended.then(() => false), delay(LAST_CALLS_MS, true, { ref: false })]);
    if (!isLate) return;
    ended.catch(() => {});
    this.#parts.records.logger.error(
      { what, waitedMs: LAST_CALLS_MS },
      'a system call does not return; stopping without it',
    );
  }
}

async function openStorage(
  config: Config,
  { store, uploads }: ServicesOptions,
  { counters, logger }: ServerRecords,
  primary: PrimaryLink | undefined,
): Promise<Storage> {
  if (store === undefined) return await openRootStorage(config, logger, counters, primary?.locks);
  return givenStorage(config, store, uploads);
}

function warnOfCopies(logger: Logger, zeroCopy: boolean, directReads: boolean): void {
  const fields = { node: process.version };
  if (!zeroCopy)
    logger.warn(fields, 'zero-copy sends do not work on this version of Node; messages are copied');
  if (!directReads)
    logger.warn(fields, 'direct reads do not work on this version of Node; uploads are copied once more');
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
export function grpcOptions(config: Config, directReads: boolean): ServerOptions {
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
