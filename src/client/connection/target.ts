/**
 * The notation of targets: `host`, `host:port`, `[v6]:port`, `unix:/path` and
 * the schemes of grpc-js. Decides what grpc-js is given and whether every
 * address of the target is on this machine.
 */
import { isIP, isIPv6 } from 'node:net';
import { TransferError } from '../../base/errors.ts';
import { DEFAULT_PORT } from '../limits.ts';

export interface Target {
  /** What grpc-js resolves. */
  readonly address: string;
  /** Bytes to it cannot leave this machine. */
  readonly isLocal: boolean;
  /** The host, where it is one IP address rather than a name. */
  readonly ip: string | undefined;
}

const SCHEME = /^(dns|ipv4|ipv6|unix|unix-abstract):(.*)$/i;

/** Throws INVALID_ARGUMENT, saying what a target looks like. */
export function parseTarget(text: string): Target {
  const schemed = SCHEME.exec(text);
  const scheme = schemed?.[1]?.toLowerCase();
  // `dns:5000` could be a host called dns; as in grpc-js, a known scheme wins.
  if (scheme === undefined) return parseHostPort(text);
  const rest = schemed?.[2] ?? '';
  if (rest === '') throw malformed(text);
  if (scheme.startsWith('unix')) return { address: text, isLocal: true, ip: undefined };
  const hosts = scheme === 'dns' ? [rest.replace(/^\/\/[^/]*\//, '')] : rest.split(',');
  const isLocal = hosts.every((host) => isLoopback(hostOf(host)));
  return { address: text, isLocal, ip: hosts.length === 1 ? ipOf(hostOf(hosts[0] as string)) : undefined };
}

function parseHostPort(text: string): Target {
  if (/[\s/,@?#]/.test(text) || text === '') throw malformed(text);
  const host = hostOf(text);
  const port = portOf(text);
  if (host === '' || (text.startsWith('[') && !isIPv6(host))) throw malformed(text);
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw malformed(text);
  }
  const bracketed = isIPv6(host) ? `[${host}]` : host;
  return { address: `${bracketed}:${port ?? DEFAULT_PORT}`, isLocal: isLoopback(host), ip: ipOf(host) };
}

function ipOf(host: string): string | undefined {
  return isIP(host) === 0 ? undefined : host;
}

function hostOf(hostPort: string): string {
  if (hostPort.startsWith('[')) return hostPort.slice(1, Math.max(1, hostPort.indexOf(']')));
  if (isIPv6(hostPort)) return hostPort;
  const colon = hostPort.lastIndexOf(':');
  return colon < 0 ? hostPort : hostPort.slice(0, colon);
}

/** Undefined when there is none. */
function portOf(hostPort: string): string | undefined {
  if (isIPv6(hostPort)) return undefined;
  const afterHost = hostPort.startsWith('[') ? hostPort.slice(hostPort.indexOf(']') + 1) : hostPort;
  const colon = afterHost.lastIndexOf(':');
  if (colon >= 0) return afterHost.slice(colon + 1);
  return hostPort.startsWith('[') && afterHost !== '' ? afterHost : undefined;
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    /^127\.\d+\.\d+\.\d+$/.test(name) ||
    name === '::1' ||
    name === '0:0:0:0:0:0:0:1'
  );
}

function malformed(text: string): TransferError {
  return new TransferError(
    'INVALID_ARGUMENT',
    `"${text}" is not a target; write host:port, [v6]:port, unix:/path, dns:///host:port or ipv4:host:port,host:port`,
  );
}
