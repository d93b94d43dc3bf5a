/**
 * Several resolvers as one. The first result has what every name resolves to; a
 * name that takes long is added when it is known, and one that does not resolve is
 * left out and asked for again, as long as another one resolves.
 */
import { experimental } from '@grpc/grpc-js';

/** How long names wait for the slowest of them. */
const SLOW_NAME_MS = 1_000;

type Resolved = Parameters<experimental.ResolverListener>;

export class MergedResolver implements experimental.Resolver {
  readonly #resolvers: readonly experimental.Resolver[];
  readonly #listener: experimental.ResolverListener;
  readonly #results: (Resolved | undefined)[];
  #slowNames: NodeJS.Timeout | undefined;
  #isTooLate = false;

  /** @param usual make one resolver each, which tells the listener it is given */
  constructor(
    usual: readonly ((listener: experimental.ResolverListener) => experimental.Resolver)[],
    listener: experimental.ResolverListener,
  ) {
    this.#listener = listener;
    this.#results = usual.map(() => undefined);
    this.#resolvers = usual.map((make, index) => make((...result) => this.#resolved(index, result)));
  }

  updateResolution(): void {
    for (const resolver of this.#resolvers) resolver.updateResolution();
  }

  destroy(): void {
    clearTimeout(this.#slowNames);
    for (const resolver of this.#resolvers) resolver.destroy();
  }

  /** As a listener: false asks the resolver to try again. */
  #resolved(index: number, result: Resolved): boolean {
    if (this.#resolvers.length === 1) return this.#listener(...result);
    // What was known of a name counts until more is known.
    if (result[0].ok || this.#results[index]?.[0].ok !== true) this.#results[index] = result;
    const isAccepted = this.#tell();
    // Resolvers try again by themselves only where nothing is connected.
    if (!result[0].ok) this.#resolvers[index]?.updateResolution();
    return isAccepted;
  }

  #tell(): boolean {
    const known = this.#results.filter((result) => result !== undefined);
    if (known.length < this.#results.length && !this.#isTooLate) {
      this.#slowNames ??= setTimeout(() => {
        this.#isTooLate = true;
        this.#tell();
      }, SLOW_NAME_MS).unref();
      return true;
    }
    clearTimeout(this.#slowNames);
    const endpoints = known.flatMap(([result]) => (result.ok ? result.value : []));
    const [first] = known;
    if (first === undefined) return true;
    if (endpoints.length === 0) return this.#listener(...(known.find(([result]) => !result.ok) ?? first));
    const [, attributes, config, note] = first;
    return this.#listener(experimental.statusOrFromValue(endpoints), attributes, config, note);
  }
}
