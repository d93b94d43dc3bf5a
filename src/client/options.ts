/**
 * The options of a client, with their defaults. They are validated here, once.
 */
import type { Buffer } from 'node:buffer';
import type { CallCredentials } from '@grpc/grpc-js';
import { MAX_KEEP_ALIVE_MS, MIN_KEEP_ALIVE_MS } from '../base/async/keep-alive.ts';
import { TransferError } from '../base/errors.ts';
import { MAX_RECEIVED_CHUNK_BYTES, MIN_WINDOW_BYTES } from '../base/limits.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { type OpenTelemetryApi, Tracing } from '../base/tracing.ts';
import { GIB, KIB, MIB } from '../base/units.ts';
import { callCredentialsOf, isRenewable, type ProofOptions } from './connection/proof.ts';
import { RenewableTls } from './connection/renewable-tls.ts';

/**
 * PEM material for TLS, all of it in buffers or all of it in files. Buffers are read while the client is
 * constructed. Files are read then, and again when they change.
 */
export interface TlsOptions {
  /** Certificate authorities to trust instead of the system's. */
  ca?: Buffer | undefined;
  caFile?: string | undefined;
  /** The client's own certificate chain and key, for mutual TLS. */
  cert?: Buffer | undefined;
  certFile?: string | undefined;
  key?: Buffer | undefined;
  keyFile?: string | undefined;
  /** The name the server's certificate must have, when it differs from the target's host. */
  serverName?: string | undefined;
  /** The lowest version of TLS to accept. Default 1.3. */
  minVersion?: '1.2' | '1.3' | undefined;
}

export interface RetryOptions {
  /** How many attempts in a row may bring no new byte before the transfer fails. Default 10. */
  attempts?: number | undefined;
  /** How long an unreachable server is retried at least, once this client has reached it. Default 60 s. */
  outageMs?: number | undefined;
  /** Upper bound of the first wait; doubles with each attempt. Waits are uniform in [0, bound). Default 100 ms. */
  initialBackoffMs?: number | undefined;
  /** The largest bound of a wait. Default 10 s. */
  maxBackoffMs?: number | undefined;
}

export type CompressionMode = 'auto' | 'never' | 'always';

export interface ClientOptions extends ProofOptions {
  /** Default: plaintext to loopback and Unix sockets, TLS with the system's authorities to all others. */
  tls?: TlsOptions | boolean | undefined;
  /** Plaintext to any target. Default false. */
  insecure?: boolean | undefined;
  /** The chunk size to ask for, before compression. Default 256 KiB. */
  chunkBytes?: number | undefined;
  /**
   * A fixed HTTP/2 receive window of each call and of the connection. Default: windows begin with 8 MiB and
   * follow the link; all clients of a process share 256 MiB.
   */
  windowBytes?: number | undefined;
  /** The largest total of the windows of one connection, where windows follow the link. Default 64 MiB. */
  maxWindowBytes?: number | undefined;
  /** Check the CRC-32 of each chunk and of each range. Default true. */
  verify?: boolean | undefined;
  /** `auto`: compress where that makes the transfer faster. `always`: gzip for every chunk that gets smaller. Default `auto`. */
  compression?: CompressionMode | undefined;
  retry?: RetryOptions | undefined;
  /** How long one attempt to connect may take. Default 5 s. */
  connectTimeoutMs?: number | undefined;
  /** A call that delivers no message within this time is cancelled and resumed. Default 30 s. */
  stallTimeoutMs?: number | undefined;
  /**
   * After this long without a message on a stream, each side sends an empty one, so that proxies with idle timeouts
   * do not cut it. An empty message is no progress: `stallTimeoutMs` goes on. 0: never. Default 15 s.
   */
  keepAliveMs?: number | undefined;
  /** Do not share a connection with other clients of this process. Default false. */
  ownConnection?: boolean | undefined;
  /**
   * Receives retries, restarts and discarded resume records. Default: silent. grpc-js has a log of its own, on
   * standard error, which GRPC_VERBOSITY=NONE or its `setLogVerbosity` turns off.
   */
  logger?: Logger | undefined;
  /**
   * The module `@opentelemetry/api` of the program, for a span of each transfer and call; the server's span
   * becomes its child. Default: none.
   */
  openTelemetry?: OpenTelemetryApi | undefined;
}

/** Options with every default filled in. */
export type Complete<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> };

export interface ResolvedRetry extends Complete<RetryOptions> {
  /** A call that was UNAUTHENTICATED may have another proof the next time. */
  readonly renewsProof?: boolean;
}

export interface ResolvedOptions
  extends Complete<
    Omit<ClientOptions, 'tls' | 'retry' | 'windowBytes' | 'openTelemetry' | keyof ProofOptions>
  > {
  readonly tls: TlsOptions | boolean | undefined;
  /** Where the PEM material is in files. */
  readonly renewableTls: RenewableTls | undefined;
  readonly retry: ResolvedRetry;
  /** What goes with each call; undefined: nothing. */
  readonly callCredentials: CallCredentials | undefined;
  /** Undefined: as large as the link needs. */
  readonly windowBytes: number | undefined;
  readonly tracing: Tracing;
}

/** Throws INVALID_ARGUMENT, naming the option. */
export function resolveOptions(options: ClientOptions): ResolvedOptions {
  const { retry = {} } = options;
  return {
    tls: options.tls,
    renewableTls: renewableTlsOf(options),
    insecure: options.insecure ?? false,
    // 64 KiB costs 20 % more CPU for each byte. Above 256 KiB nothing is gained, and what waits while a
    // call is paused grows; full garbage collections got frequent by it, while that was 16 messages.
    chunkBytes: inRange('chunkBytes', options.chunkBytes ?? 256 * KIB, 1, MAX_RECEIVED_CHUNK_BYTES),
    windowBytes:
      options.windowBytes === undefined
        ? undefined
        : inRange('windowBytes', options.windowBytes, MIN_WINDOW_BYTES, GIB),
    maxWindowBytes: inRange('maxWindowBytes', options.maxWindowBytes ?? 64 * MIB, MIN_WINDOW_BYTES, GIB),
    verify: options.verify ?? true,
    compression: oneOf('compression', options.compression ?? 'auto', ['auto', 'never', 'always']),
    retry: {
      attempts: inRange('retry.attempts', retry.attempts ?? 10, 1, 1_000_000),
      outageMs: inRange('retry.outageMs', retry.outageMs ?? 60_000, 0, MAX_TIMER_MS),
      initialBackoffMs: inRange('retry.initialBackoffMs', retry.initialBackoffMs ?? 100, 1, MAX_TIMER_MS),
      maxBackoffMs: inRange('retry.maxBackoffMs', retry.maxBackoffMs ?? 10_000, 1, MAX_TIMER_MS),
      renewsProof: isRenewable(options),
    },
    callCredentials: callCredentialsOf(options),
    connectTimeoutMs: inRange('connectTimeoutMs', options.connectTimeoutMs ?? 5_000, 1, MAX_TIMER_MS),
    stallTimeoutMs: inRange('stallTimeoutMs', options.stallTimeoutMs ?? 30_000, 1, MAX_TIMER_MS),
    keepAliveMs: keepAliveOf(options.keepAliveMs ?? 15_000),
    ownConnection: options.ownConnection ?? false,
    logger: options.logger ?? silentLogger,
    tracing: new Tracing(options.openTelemetry),
  };
}

function renewableTlsOf({ logger = silentLogger, tls }: ClientOptions): RenewableTls | undefined {
  if (typeof tls !== 'object') return undefined;
  const { caFile = '', certFile = '', keyFile = '', minVersion = '1.3' } = tls;
  if (caFile === '' && certFile === '' && keyFile === '') return undefined;
  if (tls.ca !== undefined || tls.cert !== undefined || tls.key !== undefined)
    throw new TransferError('INVALID_ARGUMENT', 'tls: give all of it in buffers, or all of it in files');
  if ((certFile === '') !== (keyFile === ''))
    throw new TransferError('INVALID_ARGUMENT', 'tls: certFile and keyFile come together');
  oneOf('tls.minVersion', minVersion, ['1.2', '1.3']);
  const names = { cert: 'tls.certFile', key: 'tls.keyFile', ca: 'tls.caFile' };
  return new RenewableTls({ cert: certFile, key: keyFile, ca: caFile, minVersion, names }, logger);
}

function keepAliveOf(silenceMs: number): number {
  return silenceMs === 0 ? 0 : inRange('keepAliveMs', silenceMs, MIN_KEEP_ALIVE_MS, MAX_KEEP_ALIVE_MS);
}

/** Longer timers fire at once in Node. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** `value` itself when it is a whole number in [least, most]; otherwise throws INVALID_ARGUMENT. */
export function inRange(option: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new TransferError(
    'INVALID_ARGUMENT',
    `${option} is ${value}; it must be a whole number from ${least} to ${most}`,
  );
}

/** `value` itself when it is one of `choices`; otherwise throws INVALID_ARGUMENT. */
export function oneOf<Choice extends string>(
  option: string,
  value: Choice,
  choices: readonly Choice[],
): Choice {
  if (choices.includes(value)) return value;
  throw new TransferError(
    'INVALID_ARGUMENT',
    `${option} is "${value}"; it must be one of ${choices.join(', ')}`,
  );
}
