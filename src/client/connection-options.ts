/**
 * How a connection is made: credentials and the channel options of grpc-js.
 * Plaintext leaves this machine only when the caller asked for it.
 */
import { ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import { MAX_RECEIVED_CHUNK_BYTES } from '../base/limits.ts';
import { KIB } from '../base/units.ts';
import { KEEPALIVE_INTERVAL_MS, KEEPALIVE_TIMEOUT_MS } from './limits.ts';
import type { ResolvedOptions } from './options.ts';
import type { Target } from './target.ts';

/** Beside the chunk a message holds header fields, or a file's identity: names and numbers. */
const MAX_MESSAGE_BYTES = MAX_RECEIVED_CHUNK_BYTES + 64 * KIB;

/** Throws INVALID_ARGUMENT when `tls` and `insecure` contradict each other. */
export function usesTls(target: Target, options: ResolvedOptions): boolean {
  const wanted = options.tls !== undefined && options.tls !== false;
  if (wanted && options.insecure) {
    throw new TransferError('INVALID_ARGUMENT', 'tls and insecure contradict each other; give one of them');
  }
  if (options.tls !== undefined) return wanted;
  return !options.insecure && !target.isLocal;
}

/** Throws INVALID_ARGUMENT when the PEM material cannot be used. */
export function credentialsFor(target: Target, options: ResolvedOptions): ChannelCredentials {
  if (!usesTls(target, options)) return ChannelCredentials.createInsecure();
  const { ca, cert, key } = typeof options.tls === 'object' ? options.tls : {};
  try {
    return ChannelCredentials.createSsl(ca ?? null, key ?? null, cert ?? null);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TransferError('INVALID_ARGUMENT', `tls: the PEM material cannot be used: ${reason}`, { cause });
  }
}

export function channelOptions(target: Target, options: ResolvedOptions): ChannelOptions {
  const serverName = typeof options.tls === 'object' ? options.tls.serverName : undefined;
  return {
    'grpc-node.flow_control_window': options.windowBytes,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    // Attempts are counted and resumed here; grpc-js would start the stream over.
    'grpc.enable_retries': 0,
    'grpc.initial_reconnect_backoff_ms': options.retry.initialBackoffMs,
    'grpc.max_reconnect_backoff_ms': options.retry.maxBackoffMs,
    'grpc.keepalive_time_ms': KEEPALIVE_INTERVAL_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.use_local_subchannel_pool': options.ownConnection ? 1 : 0,
    // A proxy from the environment cannot reach this machine's loopback.
    ...(target.isLocal ? { 'grpc.enable_http_proxy': 0 } : {}),
    ...(serverName === undefined
      ? {}
      : { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
  };
}
