/**
 * The notation of a file on a server, or on several: `host:port/name`,
 * `host:port,host:port/name`, `alias/name`. Splits the servers from the name; the
 * client checks the servers' part.
 *
 * Names are literal: `%20` is three characters, and `?` and `#` have no meaning.
 * The name is everything behind the first `/` after the server.
 */
import { InvalidArgumentError } from 'commander';
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

const FORMS =
  'host:port/name, host:port,host:port/name, [ipv6]:port/name, unix:/path/to.sock:name or grpcs://host:port/name';

/** For commander: throws InvalidArgumentError with the forms that are accepted. */
export function parseCliTarget(text: string): CliTarget {
  if (text.startsWith('unix:')) return unixTarget(text);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return splitAtSlash(text, undefined);
  if (scheme === 'dns') return dnsTarget(text);
  if (!Object.hasOwn(TRANSPORT_OF_SCHEME, scheme)) throw refused(unknownScheme(scheme, text));
  return splitAtSlash(text.slice(scheme.length + '://'.length), TRANSPORT_OF_SCHEME[scheme]);
}

/** The target as it can be typed again. */
export function writeCliTarget({ server, name, transport }: Omit<CliTarget, 'isDirectory'>): string {
  const scheme = transport === 'tls' ? 'grpcs://' : transport === 'plaintext' ? 'grpc://' : '';
  if (name === '') return scheme + server;
  return `${scheme}${server}${server.startsWith('unix:') ? ':' : '/'}${name}`;
}

function splitAtSlash(rest: string, transport: CliTarget['transport']): CliTarget {
  const slash = rest.indexOf('/');
  const written = slash < 0 ? rest : rest.slice(0, slash);
  if (written === '') throw refused(`The server is missing: localhost:${DEFAULT_PORT}${rest}`);
  if (written === '.' || written === '..') throw refused('This is a local path, not a server');
  const servers = written.split(',');
  if (servers.includes('')) throw refused('The list of servers has a comma without a server');
  const server = withoutAliases(servers.map((each) => (each.startsWith(':') ? `localhost${each}` : each)));
  return { server, ...nameOf(slash < 0 ? '' : rest.slice(slash + 1)), transport };
}

/** nginx's form: the path of the socket ends at the next colon. */
function unixTarget(text: string): CliTarget {
  const [, path = '', name = ''] = /^unix:(?:\/\/)?([^:]*):?\/?(.*)$/s.exec(text) ?? [];
  if (path === '') throw refused('The path of the socket is missing');
  return { server: `unix:${path}`, ...nameOf(name), transport: undefined };
}

/** gRPC's form with an optional name server: `dns://authority/host:port`. */
function dnsTarget(text: string): CliTarget {
  const [, server, name = ''] = /^(dns:\/\/[^/]*\/[^/]+)\/?(.*)$/is.exec(text) ?? [];
  if (server === undefined) throw refused('Write dns:///host:port/name');
  return { server, ...nameOf(name), transport: undefined };
}

function nameOf(written: string): Pick<CliTarget, 'name' | 'isDirectory'> {
  const isDirectory = written === '' || written.endsWith('/');
  return { name: written.endsWith('/') ? written.slice(0, -1) : written, isDirectory };
}

function unknownScheme(scheme: string, text: string): string {
  const rest = text.slice(text.indexOf('://') + '://'.length);
  if (scheme === 'http') return `Sluice speaks gRPC; write grpc://${rest}`;
  if (scheme === 'https') return `Sluice speaks gRPC; write grpcs://${rest}`;
  return `There is no scheme "${scheme}"; use sluice, grpc, grpcs or none`;
}

/** Commander prefixes the message with the argument. */
function refused(why: string): InvalidArgumentError {
  return new InvalidArgumentError(`${why}. A target is ${FORMS}.`);
}
