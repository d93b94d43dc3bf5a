/** The connections of one upload: a fixed number, or as many as help. */
import { TransferError } from '../../../base/errors.ts';
import { cancelledBy } from '../../connection/cancellation.ts';
import { DEFAULT_CONNECTIONS } from '../../limits.ts';
import { type LaneContext, UploadLane } from './lane.ts';
import { LaneGrowth } from './lane-growth.ts';

const LOOK_MS = 100;

export class UploadLanes {
  readonly #context: LaneContext;
  readonly #connections: number | undefined;
  readonly #stop: AbortController;
  readonly #lanes: UploadLane[] = [];
  readonly #running = new Set<Promise<void>>();

  /**
   * @param connections undefined: as many as help
   * @param stop the context's signal is its own; aborted when a lane cannot go on
   */
  constructor(context: LaneContext, connections: number | undefined, stop: AbortController) {
    this.#context = context;
    this.#connections = connections;
    this.#stop = stop;
  }

  /** Resolves when no part is left. Rejects with what ended the first lane that failed, once all have ended. */
  async run(): Promise<void> {
    const { opening, parts } = this.#context;
    const connections = parts.isDivisible ? this.#connections : 1;
    if (connections !== undefined && connections > 1) await opening.ensure();
    const timer = connections === undefined ? this.#grow() : undefined;
    try {
      for (let count = 0; count < (connections ?? 1); count += 1) this.#add();
      await this.#ended();
      // Parts given back by lanes that failed to connect or were retired go over the first connection.
      while (parts.count > 0 && !this.#stop.signal.aborted) {
        this.#lanes.length = 0;
        this.#add();
        await this.#ended();
      }
    } finally {
      clearInterval(timer);
    }
    if (this.#stop.signal.aborted) throw cancelledBy(this.#stop.signal);
  }

  #grow(): NodeJS.Timeout {
    const { parts } = this.#context;
    const growth = new LaneGrowth(DEFAULT_CONNECTIONS, performance.now());
    const wholeBytes = parts.remainingBytes;
    return setInterval(() => {
      const leftBytes = parts.remainingBytes;
      const next = growth.next({ sentBytes: wholeBytes - leftBytes, leftBytes }, performance.now());
      if (next === 'add') void this.#addKnown();
      // It may not have begun yet.
      else if (next === 'retire' && this.#lanes.length > 1) this.#lanes.pop()?.retire();
    }, LOOK_MS).unref();
  }

  /** Adds a lane once the server knows the upload. Never rejects. */
  async #addKnown(): Promise<void> {
    try {
      await this.#context.opening.ensure();
      if (!this.#context.signal.aborted) this.#add();
    } catch (reason) {
      // The first lane gets the same failure and handles it.
      const { message } = TransferError.from(reason);
      this.#context.options.logger.debug(
        { name: this.#context.name, reason: message },
        'no further connection',
      );
    }
  }

  #add(): void {
    const lane = new UploadLane(this.#context, this.#lanes.length);
    this.#lanes.push(lane);
    const running = lane.run().catch((reason: unknown) => this.#stop.abort(TransferError.from(reason)));
    this.#running.add(running);
    void running.then(() => this.#running.delete(running));
  }

  /** All lanes, those that were added meanwhile too, have ended. */
  async #ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
