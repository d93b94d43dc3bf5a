/** The connections of one transfer: a fixed number, or as many as help. */
import { TransferError } from '../../base/errors.ts';
import { cancelledBy } from '../connection/cancellation.ts';
import { DEFAULT_CONNECTIONS } from '../limits.ts';
import { LaneGrowth, type MovedBytes } from './growth.ts';

const LOOK_MS = 100;

/** What one connection does. */
export interface Lane {
  /** Resolves when there is nothing left to take. Rejects with a TransferError that ends the transfer. */
  run(): Promise<void>;
  /** Moves what was taken already, and takes nothing more. */
  retire(): void;
}

/** What all lanes of a transfer share. */
export interface LanesContext<Kind extends Lane> {
  readonly parts: { readonly count: number; readonly isDivisible: boolean };
  /** Undefined: as many as help. */
  readonly connections: number | undefined;
  /** Aborted when a lane cannot go on; its reason is the error. */
  readonly stop: AbortController;
  make(index: number): Kind;
  /** How many lanes to begin with where their number is left open; a rejection means that it stays one. Default: one. */
  atOnce?(): Promise<number>;
  /** Resolves when a second lane may begin; a rejection means that there will be none. */
  ready(): Promise<unknown>;
  moved(): MovedBytes;
  /** There is no further lane, for this reason. */
  onRefused(reason: TransferError): void;
}

export class Lanes<Kind extends Lane> {
  readonly #context: LanesContext<Kind>;
  readonly #lanes: Kind[] = [];
  readonly #running = new Map<Kind, Promise<void>>();
  readonly #beginning = new Set<Promise<void>>();
  #growing: NodeJS.Timeout | undefined;
  #wasAlone = true;
  #staysAlone = false;

  constructor(context: LanesContext<Kind>) {
    this.#context = context;
  }

  /** Lanes that have not ended. */
  get running(): Iterable<Kind> {
    return this.#running.keys();
  }

  /** Resolves when no part is left. Rejects with what ended the first lane that failed, once all have ended. */
  async run(): Promise<void> {
    const { connections, parts, stop } = this.#context;
    try {
      this.#add();
      if (connections === undefined) this.#track(this.#grow());
      else this.#begin(connections - 1);
      await this.#ended();
      // Parts given back by lanes that failed to connect or were retired go over the first connection.
      while (parts.count > 0 && !stop.signal.aborted) {
        this.#lanes.length = 0;
        this.#add();
        await this.#ended();
      }
    } finally {
      clearInterval(this.#growing);
    }
    if (stop.signal.aborted) throw cancelledBy(stop.signal);
  }

  /**
   * Goes on over the first connection only: retires the others, and adds none. False where no other was there since
   * the last call.
   */
  goAlone(): boolean {
    const wasAlone = this.#wasAlone && this.#running.size <= 1;
    this.#wasAlone = true;
    this.#staysAlone = true;
    for (const lane of this.#lanes.splice(1)) lane.retire();
    return !wasAlone;
  }

  /** Never rejects, as `#addReady`. */
  async #grow(): Promise<void> {
    const { stop } = this.#context;
    try {
      const first = (await this.#context.atOnce?.()) ?? 1;
      if (stop.signal.aborted) return;
      this.#begin(first - 1);
      const growth = new LaneGrowth(first, DEFAULT_CONNECTIONS, performance.now());
      this.#growing = setInterval(() => this.#follow(growth), LOOK_MS).unref();
    } catch (reason) {
      if (!stop.signal.aborted) this.#context.onRefused(TransferError.from(reason));
    }
  }

  #follow(growth: LaneGrowth): void {
    const next = growth.next(this.#context.moved(), performance.now());
    if (next === 'add') this.#begin(1);
    // It may not have begun yet.
    else if (next === 'retire' && this.#lanes.length > 1) this.#lanes.pop()?.retire();
  }

  /** Adds lanes, each once it may begin. */
  #begin(count: number): void {
    for (let begun = 0; begun < count; begun += 1) this.#track(this.#addReady());
  }

  /** Before it is over, the transfer is not. */
  #track(beginning: Promise<void>): void {
    this.#beginning.add(beginning);
    void beginning.then(() => this.#beginning.delete(beginning));
  }

  /** Never rejects: the first lane gets the same failure and handles it. */
  async #addReady(): Promise<void> {
    const { parts, stop } = this.#context;
    try {
      await this.#context.ready();
      if (!stop.signal.aborted && !this.#staysAlone && parts.isDivisible) this.#add();
    } catch (reason) {
      this.#context.onRefused(TransferError.from(reason));
    }
  }

  #add(): void {
    const lane = this.#context.make(this.#lanes.length);
    this.#wasAlone &&= this.#lanes.length === 0;
    this.#lanes.push(lane);
    const running = lane
      .run()
      .catch((reason: unknown) => this.#context.stop.abort(TransferError.from(reason)))
      .then(() => {
        this.#running.delete(lane);
      });
    this.#running.set(lane, running);
  }

  /** All lanes, those that were added meanwhile too, have ended. */
  async #ended(): Promise<void> {
    while (this.#running.size > 0 || this.#beginning.size > 0) {
      await Promise.all([...this.#running.values(), ...this.#beginning]);
    }
  }
}
