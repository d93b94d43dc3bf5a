/**
 * How a connection is made: credentials and the channel options of grpc-js.
 * Plaintext leaves this machine only when the caller asked for it.
 */
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';
import { ChannelCredentials, type ChannelOptions, type VerifyOptions } from '@grpc/grpc-js';
import { TransferError } from '../../base/errors.ts';
import { MAX_RECEIVED_CHUNK_BYTES } from '../../base/limits.ts';
import { KIB } from '../../base/units.ts';
import { DIRECT_WRITE_OPTIONS } from '../../flow/self-tests/direct-write-test.ts';
import { clientWindows } from '../../flow/windows/client-windows.ts';
import { KEEPALIVE_INTERVAL_MS, KEEPALIVE_TIMEOUT_MS } from '../limits.ts';
import { oneOf, type ResolvedOptions } from '../options.ts';
import type { Target } from './target.ts';

/** A message holds names and numbers beside its chunk. */
const MAX_MESSAGE_BYTES = MAX_RECEIVED_CHUNK_BYTES + 64 * KIB;

/**
 * The server name of TLS must be a host name (RFC 6066): Node 26 refuses an address.
 * grpc-js always sends one, so this name that exists nowhere (RFC 2606) is sent.
 */
const NAME_OF_AN_ADDRESS = 'ip-address.invalid';

/** Throws INVALID_ARGUMENT when `tls` and `insecure` contradict each other, or a token would be readable on the way. */
export function usesTls(target: Target, options: ResolvedOptions): boolean {
  const wanted = options.tls !== undefined && options.tls !== false;
  if (wanted && options.insecure) {
    throw new TransferError('INVALID_ARGUMENT', 'tls and insecure contradict each other; give one of them');
  }
  const isTls = options.tls === undefined ? !options.insecure && !target.isLocal : wanted;
  if (!isTls && !options.insecure && !target.isLocal && options.callCredentials !== undefined) {
    const message =
      'the token would go to another machine unencrypted; use TLS, or say insecure (--insecure) to accept that';
    throw new TransferError('INVALID_ARGUMENT', message);
  }
  return isTls;
}

/** Throws INVALID_ARGUMENT when the PEM material cannot be used. */
export function credentialsFor(target: Target, options: ResolvedOptions): ChannelCredentials {
  if (!usesTls(target, options)) return ChannelCredentials.createInsecure();
  const { ca, cert, key, minVersion = '1.3' } = typeof options.tls === 'object' ? options.tls : {};
  const lowest = `TLSv${oneOf('tls.minVersion', minVersion, ['1.2', '1.3'])}` as const;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TransferError('INVALID_ARGUMENT', 'tls: cert and key come together');
  }
  try {
    const context = createSecureContext({ ca, cert, key, minVersion: lowest });
    return ChannelCredentials.createFromSecureContext(context, verifyOptions(target, options));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TransferError('INVALID_ARGUMENT', `tls: the PEM material cannot be used: ${reason}`, { cause });
  }
}

/** The certificate of a server that is reached by address must name the address. */
function verifyOptions(target: Target, options: ResolvedOptions): VerifyOptions {
  const { ip } = target;
  if (ip === undefined || givenServerName(options) !== undefined) return {};
  return { checkServerIdentity: (_name: string, cert: PeerCertificate) => checkServerIdentity(ip, cert) };
}

function givenServerName(options: ResolvedOptions): string | undefined {
  return typeof options.tls === 'object' ? options.tls.serverName : undefined;
}

/** Uploads have connections of their own: their queued bytes would hold up every other call. */
export type ChannelPurpose = 'general' | 'upload';

const UPLOAD_OPTIONS: ChannelOptions = {
  ...DIRECT_WRITE_OPTIONS,
  'grpc.use_local_subchannel_pool': 1,
};

export function channelOptions(
  target: Target,
  options: ResolvedOptions,
  purpose: ChannelPurpose,
): ChannelOptions {
  const serverName = givenServerName(options);
  return {
    ...windowOptions(options),
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    // This client resumes; grpc-js would start the stream over.
    'grpc.enable_retries': 0,
    // The query for a TXT record, when unanswered, keeps the process alive for a minute.
    'grpc.service_config_disable_resolution': 1,
    'grpc.initial_reconnect_backoff_ms': options.retry.initialBackoffMs,
    'grpc.max_reconnect_backoff_ms': options.retry.maxBackoffMs,
    'grpc.keepalive_time_ms': KEEPALIVE_INTERVAL_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.use_local_subchannel_pool': options.ownConnection ? 1 : 0,
    ...(purpose === 'upload' ? UPLOAD_OPTIONS : {}),
    // A proxy cannot reach the loopback of this machine.
    ...(target.isLocal ? { 'grpc.enable_http_proxy': 0 } : {}),
    ...(serverName === undefined ? {} : { 'grpc.default_authority': serverName }),
    ...nameOverride(serverName ?? (target.ip === undefined ? undefined : NAME_OF_AN_ADDRESS)),
  };
}

function windowOptions({ maxWindowBytes, windowBytes }: ResolvedOptions): ChannelOptions {
  if (windowBytes === undefined) return clientWindows.channelOptions(maxWindowBytes);
  return { 'grpc-node.flow_control_window': windowBytes };
}

function nameOverride(name: string | undefined): ChannelOptions {
  return name === undefined ? {} : { 'grpc.ssl_target_name_override': name };
}
