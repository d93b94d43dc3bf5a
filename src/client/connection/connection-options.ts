/**
 * How a connection is made: credentials and the channel options of grpc-js.
 * Plaintext leaves this machine only when the caller asked for it.
 */
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';
import { ChannelCredentials, type ChannelOptions, type VerifyOptions } from '@grpc/grpc-js';
import { TransferError } from '../../base/errors.ts';
import { MAX_RECEIVED_CHUNK_BYTES } from '../../base/limits.ts';
import { KIB } from '../../base/units.ts';
import type { NamedServer } from '../../flow/connections/closable-target.ts';
import { DIRECT_WRITE_OPTIONS } from '../../flow/self-tests/direct-write-test.ts';
import { clientWindows } from '../../flow/windows/client-windows.ts';
import { KEEPALIVE_INTERVAL_MS, KEEPALIVE_TIMEOUT_MS } from '../limits.ts';
import { oneOf, type ResolvedOptions } from '../options.ts';
import type { Target, TargetServer } from './target.ts';

/** A message holds names and numbers beside its chunk. */
const MAX_MESSAGE_BYTES = MAX_RECEIVED_CHUNK_BYTES + 64 * KIB;

/**
 * The server name of TLS must be a host name (RFC 6066): Node 26 refuses an address.
 * grpc-js always sends one, so this name that exists nowhere (RFC 2606) is sent.
 */
const NAME_OF_AN_ADDRESS = 'ip-address.invalid';

/** What a connection of a list would ask for that has not been told the name of its server. */
const NAME_OF_NO_SERVER = 'no-server.invalid';

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
  if (options.renewableTls !== undefined) {
    options.renewableTls.follow();
    return ChannelCredentials.createFromSecureContext(
      options.renewableTls.context,
      verifyOptions(target, options),
    );
  }
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
function verifyOptions({ servers }: Target, options: ResolvedOptions): VerifyOptions {
  if (givenServerName(options) !== undefined || servers.every(({ ip }) => ip === undefined)) return {};
  const ips = new Map(servers.map((server, index) => [tlsNameOf(server, index), server.ip]));
  return {
    checkServerIdentity: (name: string, cert: PeerCertificate) =>
      checkServerIdentity(ips.get(name) ?? name, cert),
  };
}

/** The name that is asked for, and that the certificate must have unless it stands for an address. */
function tlsNameOf({ host, ip }: TargetServer, index: number): string {
  if (ip === undefined) return host;
  return index === 0 ? NAME_OF_AN_ADDRESS : `${index}.${NAME_OF_AN_ADDRESS}`;
}

/** The servers of the target, each with the name of its own certificate unless one name is given for all. */
export function namedServers({ servers }: Target, options: ResolvedOptions): NamedServer[] {
  const isOneName = servers.length === 1 || givenServerName(options) !== undefined;
  return servers.map((server, index) => ({
    address: server.address,
    tlsName: isOneName ? undefined : tlsNameOf(server, index),
  }));
}

function givenServerName(options: ResolvedOptions): string | undefined {
  return typeof options.tls === 'object' ? options.tls.serverName : undefined;
}

/**
 * Uploads have connections of their own: their queued bytes would hold up every other call. Further connections
 * of a download are others than the first.
 */
export type ChannelPurpose = 'general' | 'download' | 'upload';

export function channelOptions(
  target: Target,
  options: ResolvedOptions,
  purpose: ChannelPurpose,
): ChannelOptions {
  const serverName = givenServerName(options);
  const isList = target.servers.length > 1;
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
    'grpc.use_local_subchannel_pool': options.ownConnection || purpose !== 'general' ? 1 : 0,
    ...(purpose === 'upload' ? DIRECT_WRITE_OPTIONS : {}),
    // A proxy cannot reach the loopback of this machine; grpc-js asks it for one server.
    ...(target.isLocal || isList ? { 'grpc.enable_http_proxy': 0 } : {}),
    ...(serverName === undefined ? {} : { 'grpc.default_authority': serverName }),
    ...nameOverride(serverName ?? nameForAll(target)),
  };
}

function windowOptions({ maxWindowBytes, windowBytes }: ResolvedOptions): ChannelOptions {
  if (windowBytes === undefined) return clientWindows.channelOptions(maxWindowBytes);
  return { 'grpc-node.flow_control_window': windowBytes };
}

/** For a list, no certificate has it: each of its servers has a name of its own. */
function nameForAll({ servers }: Target): string | undefined {
  if (servers.length > 1) return NAME_OF_NO_SERVER;
  const [server] = servers;
  return server?.ip === undefined ? undefined : tlsNameOf(server, 0);
}

function nameOverride(name: string | undefined): ChannelOptions {
  return name === undefined ? {} : { 'grpc.ssl_target_name_override': name };
}
