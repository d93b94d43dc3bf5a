/** The errors and refusals that an observer was told, across calls of Watch and restarts of the server. */
import type { Event, WatchResponse } from './admin-messages.ts';

/** As many as a server remembers. */
const MAX_EVENTS = 200;

export class ToldEvents {
  /** Oldest first. */
  #events: Event[] = [];
  #startedMs: number | undefined;

  /** Oldest first, those of `snapshot` included. The first snapshot of a call repeats what the server remembers. */
  with({ events, server }: Pick<WatchResponse, 'events' | 'server'>): readonly Event[] {
    if (server?.startedMs !== this.#startedMs) this.#events = [];
    this.#startedMs = server?.startedMs;
    const last = this.#events.at(-1)?.sequence ?? 0;
    this.#events.push(...events.filter(({ sequence }) => sequence > last));
    this.#events.splice(0, this.#events.length - MAX_EVENTS);
    return this.#events;
  }
}
