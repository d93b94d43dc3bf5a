/**
 * A target of grpc-js whose sockets can be destroyed in any state. A channel of
 * grpc-js closes only established connections; a connection still being made (an
 * address that drops packets, a TLS hello or an HTTP/2 preface without an answer)
 * survives the channel and keeps the process alive.
 *
 * grpc-js passes the addresses of a resolver to `net.connect` unchanged, and a
 * socket is destroyed when its `signal` is aborted. So targets get a scheme of
 * their own, whose resolver asks the usual ones and adds the signal. Connections
 * through an HTTP proxy are made elsewhere, without the signal.
 *
 * The resolver also says how several servers are used: calls are spread over
 * them, or all go to one until that is lost. A single server has neither.
 */
import { setMaxListeners } from 'node:events';
import { type ChannelOptions, experimental } from '@grpc/grpc-js';
import { inTurn } from './in-turn-balancer.ts';
import { MergedResolver } from './merged-resolver.ts';
import { type ServerEndpoint, serversAt } from './server-endpoints.ts';
import { spread } from './spread-balancer.ts';
import type { Turn } from './turn.ts';

const SCHEME = 'sluice';

/** As grpc-js reads targets: without a known scheme, a DNS name. */
const KNOWN_URI = /^(dns|ipv4|ipv6|unix):(?:\/\/([^/]*)\/)?(.+)$/i;

const targets = new Map<string, ClosableTarget>();
const shared = new Map<string, ClosableTarget>();
let opened = 0;

export interface NamedServer {
  /** As grpc-js reads targets. */
  readonly address: string;
  /** The name of its certificate, where that is not the same for all of the target. */
  readonly tlsName: string | undefined;
}

export class ClosableTarget {
  /** What grpc-js is given. */
  readonly text: string;
  /** The name was resolved once; from then on only a connection can be missing. */
  isResolved = false;
  /** So many servers it resolved to. */
  serverCount = 1;
  /** The name was resolved, or could not be. */
  readonly resolved: Promise<void>;
  #onResolved = () => {};
  readonly #servers: readonly NamedServer[];
  readonly #turn: Turn | undefined;
  readonly #key: string;
  readonly #sharedAs: string | undefined;
  readonly #sockets = new AbortController();
  #users = 0;
  #runningCalls = 0;
  #isRetired = false;

  private constructor(servers: readonly NamedServer[], { sharedAs, turn }: TargetUse) {
    if (opened === 0) experimental.registerResolver(SCHEME, ClosableResolver);
    opened += 1;
    this.#servers = servers;
    this.#turn = turn;
    const first = uriOf((servers[0] as NamedServer).address);
    this.#key = `${first.scheme}.${opened}`;
    this.#sharedAs = sharedAs;
    this.text = `${SCHEME}://${this.#key}/${first.path}`;
    this.resolved = new Promise((resolve) => {
      this.#onResolved = resolve;
    });
    targets.set(this.#key, this);
    // Every open socket listens.
    setMaxListeners(0, this.#sockets.signal);
  }

  /**
   * Each user calls `leave` once.
   *
   * @param servers at least one
   */
  static open(servers: readonly NamedServer[], use: TargetUse): ClosableTarget {
    const { sharedAs } = use;
    const known = sharedAs === undefined ? undefined : shared.get(sharedAs);
    const target = known ?? new ClosableTarget(servers, use);
    if (sharedAs !== undefined) shared.set(sharedAs, target);
    target.#users += 1;
    return target;
  }

  /** No connection came of it: users are to open another. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  retire(): void {
    this.#isRetired = true;
    if (this.#sharedAs !== undefined && shared.get(this.#sharedAs) === this) shared.delete(this.#sharedAs);
  }

  /** A call has begun; `callEnded` tells of its end. */
  callBegan(): void {
    this.#runningCalls += 1;
  }

  callEnded(): void {
    this.#runningCalls -= 1;
    this.#closeIfUnused();
  }

  leave(): void {
    this.#users -= 1;
    this.#closeIfUnused();
  }

  /** The usual resolvers, made one of `listener`. */
  resolver(listener: experimental.ResolverListener, options: ChannelOptions): experimental.Resolver {
    const usual = this.#servers.map(
      ({ address, tlsName }) =>
        (each: experimental.ResolverListener) =>
          experimental.createResolver(
            uriOf(address),
            (endpoints, ...rest) => each(this.#closable(endpoints, tlsName), ...rest),
            options,
          ),
    );
    return new MergedResolver(usual, (endpoints, attributes, config, note) => {
      if (endpoints.ok) this.serverCount = endpoints.value.length;
      this.#onResolved();
      if (!endpoints.ok || this.serverCount <= 1) return listener(endpoints, attributes, config, note);
      const use = this.#turn === undefined ? spread() : inTurn(this.#turn);
      return listener(endpoints, { ...attributes, ...use.attributes }, use.serviceConfig, note);
    });
  }

  /** The endpoints, one for each server, with addresses whose sockets end with this target. */
  #closable(
    endpoints: experimental.StatusOr<experimental.Endpoint[]>,
    tlsName: string | undefined,
  ): experimental.StatusOr<ServerEndpoint[]> {
    if (!endpoints.ok) return endpoints;
    this.isResolved = true;
    const { signal } = this.#sockets;
    return experimental.statusOrFromValue(serversAt(endpoints.value, { signal, tlsName }));
  }

  #closeIfUnused(): void {
    if (this.#users > 0 || this.#runningCalls > 0) return;
    this.retire();
    this.#onResolved();
    targets.delete(this.#key);
    // Deferred, because established connections are being closed with a GOAWAY now.
    setImmediate(() => this.#sockets.abort());
  }
}

interface TargetUse {
  /** Targets opened with the same text are one, with the same connections. */
  readonly sharedAs: string | undefined;
  /** Calls go to one server at a time; undefined: to all. */
  readonly turn: Turn | undefined;
}

class ClosableResolver implements experimental.Resolver {
  readonly #usual: experimental.Resolver;

  constructor(
    { authority = '' }: experimental.GrpcUri,
    listener: experimental.ResolverListener,
    options: ChannelOptions,
  ) {
    const target = targets.get(authority);
    if (target === undefined) throw new Error(`the target ${authority} is closed`);
    this.#usual = target.resolver(listener, options);
  }

  /** The name in a certificate and in `:authority`, as the usual resolvers give it. */
  static getDefaultAuthority({ authority = '', path }: experimental.GrpcUri): string {
    return authority.startsWith('unix') ? 'localhost' : (path.split(',')[0] as string);
  }

  updateResolution(): void {
    this.#usual.updateResolution();
  }

  destroy(): void {
    this.#usual.destroy();
  }
}

function uriOf(address: string): experimental.GrpcUri {
  const [, scheme, authority, path] = KNOWN_URI.exec(address) ?? [];
  if (scheme === undefined) return { scheme: 'dns', path: address };
  return {
    scheme: scheme.toLowerCase(),
    path: path as string,
    ...(authority === undefined ? {} : { authority }),
  };
}
