/**
 * The notation of a file on a server, or on several: `host:port/name`,
 * `host:port,host:port/name`, `alias/name`. Splits the servers from the name.
 *
 * Names are literal: `%20` is three characters, and `?` and `#` have no meaning.
 * The name is everything behind the first `/` after the server.
 */
import { TransferError } from '../../base/errors.ts';
import { parseTarget } from '../../client/connection/target.ts';
import { DEFAULT_PORT } from '../../client/limits.ts';
import { withoutAliases } from './aliases.ts';

export interface CliTarget {
  /** As the client takes it: `host:port`, `[v6]:port`, `unix:/path`, a target of gRPC, or a list of servers. */
  server: string;
  /** As it was written, without a `/` at the end; '' is the root of the store. */
  name: string;
  /** It was written with a `/` at the end, or is the root: it can only be a directory. */
  isDirectory: boolean;
  /** What the scheme demands; undefined leaves it to flags and defaults. */
  transport: 'tls' | 'plaintext' | undefined;
}

const TRANSPORT_OF_SCHEME: Readonly<Record<string, CliTarget['transport']>> = {
  sluice: undefined,
  grpc: 'plaintext',
  grpcs: 'tls',
};

/** Throws INVALID_CONFIG, which says what to write instead. */
export function parseCliTarget(text: string): CliTarget {
  const target = split(text);
  try {
    parseTarget(target.server);
  } catch (reason) {
    throw new TransferError('INVALID_CONFIG', (reason as Error).message, { cause: reason });
  }
  return target;
}

function split(text: string): CliTarget {
  if (text.startsWith('unix:')) return unixTarget(text);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return splitAtSlash(text, text, undefined);
  if (scheme === 'dns') return dnsTarget(text);
  const rest = text.slice(scheme.length + '://'.length);
  if (!Object.hasOwn(TRANSPORT_OF_SCHEME, scheme)) throw refused(text, unknownScheme(scheme, rest));
  return splitAtSlash(text, rest, TRANSPORT_OF_SCHEME[scheme]);
}

/** Throws INVALID_CONFIG for a target that is a server alone. */
export function requireName(target: CliTarget, what: 'file' | 'directory'): void {
  if (target.name !== '') return;
  const server = writeCliTarget(target);
  throw new TransferError('INVALID_CONFIG', `${server} names no ${what}; write ${server}/name`);
}

/** The target as it can be typed again. */
export function writeCliTarget({ server, name, transport }: Omit<CliTarget, 'isDirectory'>): string {
  const scheme = transport === 'tls' ? 'grpcs://' : transport === 'plaintext' ? 'grpc://' : '';
  if (name === '') return scheme + server;
  return `${scheme}${server}${server.startsWith('unix:') ? ':' : '/'}${name}`;
}

/** `rest` is what is behind the scheme of `text`. */
function splitAtSlash(text: string, rest: string, transport: CliTarget['transport']): CliTarget {
  const slash = rest.indexOf('/');
  const written = slash < 0 ? rest : rest.slice(0, slash);
  if (written === '') throw refused(text, `the server is missing; write localhost:${DEFAULT_PORT}${rest}`);
  if (written === '.' || written === '..') throw refused(text, 'it is a local path; write host:port/name');
  const servers = written.split(',');
  if (servers.includes(''))
    throw refused(text, 'it has a comma without a server; write host:port,host:port/name');
  const server = withoutAliases(servers.map((each) => (each.startsWith(':') ? `localhost${each}` : each)));
  return { server, ...nameOf(slash < 0 ? '' : rest.slice(slash + 1)), transport };
}

/** nginx's form: the path of the socket ends at the next colon. */
function unixTarget(text: string): CliTarget {
  const [, path = '', name = ''] = /^unix:(?:\/\/)?([^:]*):?\/?(.*)$/s.exec(text) ?? [];
  if (path === '') throw refused(text, 'the path of the socket is missing; write unix:/path/to.sock:name');
  return { server: `unix:${path}`, ...nameOf(name), transport: undefined };
}

/** gRPC's form with an optional name server: `dns://authority/host:port`. */
function dnsTarget(text: string): CliTarget {
  const [, server, name = ''] = /^(dns:\/\/[^/]*\/[^/]+)\/?(.*)$/is.exec(text) ?? [];
  if (server === undefined) throw refused(text, 'write dns:///host:port/name');
  return { server, ...nameOf(name), transport: undefined };
}

function nameOf(written: string): Pick<CliTarget, 'name' | 'isDirectory'> {
  const isDirectory = written === '' || written.endsWith('/');
  return { name: written.endsWith('/') ? written.slice(0, -1) : written, isDirectory };
}

function unknownScheme(scheme: string, rest: string): string {
  if (scheme === 'http') return `sluice speaks gRPC; write grpc://${rest}`;
  if (scheme === 'https') return `sluice speaks gRPC; write grpcs://${rest}`;
  return `there is no scheme "${scheme}"; write host:port/name, grpc://host:port/name or grpcs://host:port/name`;
}

function refused(text: string, why: string): TransferError {
  return new TransferError('INVALID_CONFIG', `"${text}" is not a target: ${why}`);
}
