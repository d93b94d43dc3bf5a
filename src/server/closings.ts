/** Connections closed for cause: counted by reason, and logged at a limited rate. */
import type { Counters } from '../base/counters/counters.ts';
import { CLOSING_REASONS } from '../base/counters/counters.ts';
import type { Logger } from '../base/logger.ts';

/** The log line of each reason. */
const REASONS: Readonly<Record<Reason, string>> = {
  headers: 'a peer exceeded the header bytes or fields of a request; its connection is closed',
  wastedStreams: 'a peer opened more calls that came to nothing than are allowed; its connection is closed',
  banned: 'an address opened more calls that came to nothing than are allowed; it is refused for a moment',
  silent: 'a peer asked nothing in time; its connection is closed',
  full: 'limits.connections is reached; a connection is refused',
  evicted: 'limits.connections is reached; a connection made room for that of another',
  refused: 'a call was refused, because the places of its kind are taken',
  foreign: 'a peer asked for something that is not gRPC',
};

export type Reason = (typeof CLOSING_REASONS)[number];

/** Told why a connection was closed. */
export type OnClosing = (reason: Reason, peer: string, message: string) => void;

/** How often each happened. */
export type ClosingCounts = Readonly<Record<Reason, number>>;

/** Over all reasons and addresses: bounds the log under an attack from many addresses. */
const MAX_LINES_PER_SEC = 50;

export class Closings {
  readonly #logger: Logger;
  readonly #counters: Counters;
  /** Reasons and addresses logged in the present second. */
  readonly #told = new Set<string>();
  #second = 0;

  readonly #onTold: OnClosing;

  /** @param onTold told of what is logged too */
  constructor(logger: Logger, counters: Counters, onTold: OnClosing = () => {}) {
    this.#onTold = onTold;
    this.#logger = logger;
    this.#counters = counters;
  }

  /** @param peer the address, as far as there is one */
  note(reason: Reason, peer: string, fields: object = {}): void {
    this.#counters.closings.add(1, reason);
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) this.#told.clear();
    this.#second = second;
    const key = `${reason} ${peer}`;
    if (this.#told.size >= MAX_LINES_PER_SEC || this.#told.has(key)) return;
    this.#told.add(key);
    this.#onTold(reason, peer, REASONS[reason]);
    this.#logger.warn(
      { reason, peer, ...fields, times: this.#counters.closings.value(reason) },
      REASONS[reason],
    );
  }
}

/** How often each happened. */
export function closingCounts({ closings }: Counters): ClosingCounts {
  const counts = CLOSING_REASONS.map((reason) => [reason, closings.value(reason)]);
  return Object.fromEntries(counts) as ClosingCounts;
}
