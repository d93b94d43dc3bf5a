/**
 * The grammar of `listen`: `host:port`, `[ipv6]:port`, `:port` (all addresses)
 * and `unix:/path`. Pure text; nothing is resolved or bound here.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { TransferError } from '../base/errors.ts';

export type ListenAddress =
  /** `host` is a name or an address without brackets, or '' for all addresses; port 0 picks a free one. */
  { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string };

/** `sun_path` of Linux has 108 bytes and ends in a NUL. */
const MAX_UNIX_PATH_BYTES = 107;

const MAX_PORT = 65_535;

const HOST_NAME = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Throws INVALID_CONFIG with the forms that are accepted. */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith('unix:')) return unixAddress(text.slice('unix:'.length));
  const match = /^(?:\[(?<v6>[^\]]*)\]|(?<host>[^:]*)):(?<port>\d+)$/.exec(text);
  const port = Number(match?.groups?.port);
  const v6 = match?.groups?.v6;
  const host = v6 ?? match?.groups?.host ?? '';
  if (match === null) throw refused(text, hintFor(text));
  if (port > MAX_PORT) throw refused(text, `ports end at ${MAX_PORT}`);
  if (v6 !== undefined && !isIPv6(v6)) throw refused(text, 'in brackets stands an IPv6 address');
  if (v6 === undefined && host !== '' && !isHost(host)) throw refused(text, 'the host is not a host name');
  return { kind: 'tcp', host, port };
}

/** Whether a setting says that nothing is to listen. */
export function isOff(listen: string): boolean {
  return listen === 'off';
}

/** Whether only this machine can reach the address. A name other than localhost is taken as reachable. */
export function isLoopback(address: ListenAddress): boolean {
  if (address.kind === 'unix') return true;
  if (isIP(address.host) === 0) return /^localhost\.?$/i.test(address.host);
  return LOOPBACK.check(address.host, isIPv6(address.host) ? 'ipv6' : 'ipv4');
}

/** The address as `parseListenAddress` reads it and as clients write it. */
export function writeListenAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;
}

function unixAddress(path: string): ListenAddress {
  if (path === '') throw refused('unix:', 'the path of the socket is missing');
  const pathBytes = Buffer.byteLength(path);
  if (pathBytes > MAX_UNIX_PATH_BYTES) {
    throw refused(
      `unix:${path}`,
      `the path has ${pathBytes} bytes and the system takes ${MAX_UNIX_PATH_BYTES}`,
    );
  }
  return { kind: 'unix', path };
}

/** Refuses malformed IPv4 addresses, which would pass as names. */
function isHost(host: string): boolean {
  return /^[\d.]+$/.test(host) ? isIP(host) === 4 : HOST_NAME.test(host);
}

function hintFor(text: string): string {
  if (text.includes('://')) return 'leave the scheme out';
  if (isIPv6(text)) return `write the IPv6 address in brackets: [${text}]:50051`;
  if (/^\d+$/.test(text))
    return `write :${text} for all addresses or 127.0.0.1:${text} for this machine only`;
  if (!text.includes(':')) return `the port is missing: ${text}:50051`;
  return 'the port is a number';
}

function refused(text: string, why: string): TransferError {
  const forms = 'host:port, [ipv6]:port, :port or unix:/path';
  return new TransferError('INVALID_CONFIG', `"${text}" is not an address to listen on (${forms}): ${why}`);
}
