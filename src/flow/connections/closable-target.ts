/**
 * A target of grpc-js whose sockets can be destroyed in any state. A channel of
 * grpc-js closes only established connections; a connection still being made (an
 * address that drops packets, a TLS hello or an HTTP/2 preface without an answer)
 * survives the channel and keeps the process alive.
 *
 * grpc-js passes the addresses of a resolver to `net.connect` unchanged, and a
 * socket is destroyed when its `signal` is aborted. So targets get a scheme of
 * their own, whose resolver asks the usual one and adds the signal. Connections
 * through an HTTP proxy are made elsewhere, without the signal.
 */
import { setMaxListeners } from 'node:events';
import { type ChannelOptions, experimental } from '@grpc/grpc-js';

const SCHEME = 'sluice';

/** As grpc-js reads targets: without a known scheme, a DNS name. */
const KNOWN_URI = /^(dns|ipv4|ipv6|unix):(?:\/\/([^/]*)\/)?(.+)$/i;

const targets = new Map<string, ClosableTarget>();
const shared = new Map<string, ClosableTarget>();
let opened = 0;

export class ClosableTarget {
  /** What grpc-js is given. */
  readonly text: string;
  /** The name was resolved once; from then on only a connection can be missing. */
  isResolved = false;
  readonly uri: experimental.GrpcUri;
  readonly #key: string;
  readonly #sharedAs: string | undefined;
  readonly #sockets = new AbortController();
  #users = 0;
  #runningCalls = 0;
  #isRetired = false;

  private constructor(address: string, sharedAs: string | undefined) {
    if (opened === 0) experimental.registerResolver(SCHEME, ClosableResolver);
    opened += 1;
    this.uri = uriOf(address);
    this.#key = `${this.uri.scheme}.${opened}`;
    this.#sharedAs = sharedAs;
    this.text = `${SCHEME}://${this.#key}/${this.uri.path}`;
    targets.set(this.#key, this);
    // Every open socket listens.
    setMaxListeners(0, this.#sockets.signal);
  }

  /**
   * Each user calls `leave` once.
   *
   * @param address as grpc-js reads it
   * @param sharedAs targets opened with the same text are one, with the same connections
   */
  static open(address: string, sharedAs?: string): ClosableTarget {
    const known = sharedAs === undefined ? undefined : shared.get(sharedAs);
    const target = known ?? new ClosableTarget(address, sharedAs);
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

  /** The endpoints, with addresses whose sockets end with this target. */
  closable(endpoints: experimental.Endpoint[]): experimental.Endpoint[] {
    const { signal } = this.#sockets;
    return endpoints.map(({ addresses }) => ({
      addresses: addresses.map((address) => ({ ...address, signal })),
    }));
  }

  #closeIfUnused(): void {
    if (this.#users > 0 || this.#runningCalls > 0) return;
    this.retire();
    targets.delete(this.#key);
    // Deferred, because established connections are being closed with a GOAWAY now.
    setImmediate(() => this.#sockets.abort());
  }
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
    const onResult: experimental.ResolverListener = (endpoints, ...rest) => {
      if (!endpoints.ok) return listener(endpoints, ...rest);
      target.isResolved = true;
      return listener(experimental.statusOrFromValue(target.closable(endpoints.value)), ...rest);
    };
    this.#usual = experimental.createResolver(target.uri, onResult, options);
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
