/** Which of several servers has the uploads of one name: channels that share a turn use the same server. */
export class Turn {
  readonly #start: number;
  readonly #users = new Set<() => void>();
  #current: string | undefined;
  #servers: readonly string[] = [];
  #movedAtMs = 0;

  /** @param start the position of the first server in a sorted list, beyond its end from the beginning again */
  constructor(start: number) {
    this.#start = start;
  }

  /** @param servers at least one, sorted */
  of(servers: readonly string[]): string {
    this.#servers = servers;
    if (this.#current === undefined || !servers.includes(this.#current)) {
      this.#current = servers[this.#start % servers.length] as string;
    }
    return this.#current;
  }

  /** The server cannot be reached: goes on to the next one, unless another channel has done so. */
  lost(server: string): void {
    if (server !== this.#current) return;
    const next = this.#servers[(this.#servers.indexOf(server) + 1) % this.#servers.length];
    if (next !== undefined) this.moveTo(next);
  }

  /** A connection that was begun at `sinceMs` has had no answer in time: as `lost`, unless another server was chosen since. */
  givenUp(sinceMs: number): void {
    if (this.#current !== undefined && this.#movedAtMs <= sinceMs) this.lost(this.#current);
  }

  moveTo(server: string): void {
    if (server === this.#current) return;
    this.#current = server;
    this.#movedAtMs = performance.now();
    for (const moved of this.#users) moved();
  }

  /** `moved` is called after each change. */
  join(moved: () => void): void {
    this.#users.add(moved);
  }

  leave(moved: () => void): void {
    this.#users.delete(moved);
  }
}
