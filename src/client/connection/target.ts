/**
 * The notation of targets: `host`, `host:port`, `[v6]:port`, `unix:/path`, the
 * schemes of grpc-js, and lists of these. Decides what grpc-js is given and
 * whether every address of the target is on this machine.
 */
import { isIP, isIPv6 } from 'node:net';
import { TransferError } from '../../base/errors.ts';
import { DEFAULT_PORT } from '../limits.ts';

/** One server, or one name that stands for several. */
export interface TargetServer {
  /** What grpc-js resolves. */
  readonly address: string;
  /** The name or address of the host. */
  readonly host: string;
  /** The host, where it is an IP address rather than a name. */
  readonly ip: string | undefined;
}

export interface Target {
  /** For messages to people. */
  readonly address: string;
  /** At least one, none of them twice. */
  readonly servers: readonly TargetServer[];
  /** Bytes to it cannot leave this machine. */
  readonly isLocal: boolean;
}

const SCHEME = /^(dns|ipv4|ipv6|unix|unix-abstract):(.*)$/i;

/** The scheme of a list of addresses holds for all of them. */
const ADDRESS_SCHEME = /^(ipv4|ipv6):/i;

/** Throws INVALID_ARGUMENT, saying what a target looks like. */
export function parseTarget(given: string | readonly string[]): Target {
  const texts = typeof given === 'string' ? partsOf(given) : given.flatMap(partsOf);
  if (texts.length === 0) throw new TransferError('INVALID_ARGUMENT', 'the list of servers is empty');
  const servers = new Map<string, TargetServer>();
  for (const text of texts) {
    const server = parseServer(text);
    servers.set(server.address, server);
  }
  const known = [...servers.values()];
  return {
    address: textOf(known),
    servers: known,
    isLocal: known.every(({ address, host }) => address.startsWith('unix') || isLoopback(host)),
  };
}

/** The servers of a list; the paths of sockets may have commas. */
function partsOf(text: string): string[] {
  if (/^unix(-abstract)?:/i.test(text)) return [text];
  const parts = text.split(',');
  if (parts.length > 1 && parts.includes('')) {
    throw new TransferError(
      'INVALID_ARGUMENT',
      `"${text}" has a comma without a server; write host:port,host:port`,
    );
  }
  const scheme = ADDRESS_SCHEME.exec(text)?.[0];
  return scheme === undefined ? parts : parts.map((part) => (SCHEME.test(part) ? part : scheme + part));
}

/** As it can be given again. */
function textOf(servers: readonly TargetServer[]): string {
  const scheme = ADDRESS_SCHEME.exec(servers[0]?.address ?? '')?.[0];
  return servers
    .map(({ address }, index) =>
      index > 0 && scheme !== undefined && address.startsWith(scheme)
        ? address.slice(scheme.length)
        : address,
    )
    .join(',');
}

function parseServer(text: string): TargetServer {
  const schemed = SCHEME.exec(text);
  const scheme = schemed?.[1]?.toLowerCase();
  // `dns:5000` could be a host called dns; as in grpc-js, a known scheme wins.
  if (scheme === undefined) return parseHostPort(text);
  const rest = schemed?.[2] ?? '';
  if (rest === '') throw malformed(text);
  if (scheme.startsWith('unix')) return { address: text, host: 'localhost', ip: undefined };
  const host = hostOf(scheme === 'dns' ? rest.replace(/^\/\/[^/]*\//, '') : rest);
  return { address: text, host, ip: ipOf(host) };
}

function parseHostPort(text: string): TargetServer {
  if (/[\s/@?#]/.test(text) || text === '') throw malformed(text);
  const host = hostOf(text);
  const port = portOf(text);
  if (host === '' || (text.startsWith('[') && !isIPv6(host))) throw malformed(text);
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw malformed(text);
  }
  const bracketed = isIPv6(host) ? `[${host}]` : host;
  return { address: `${bracketed}:${port ?? DEFAULT_PORT}`, host, ip: ipOf(host) };
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
    `"${text}" is not a target; write host:port, [v6]:port, unix:/path, dns:///host:port, or several as host:port,host:port`,
  );
}
