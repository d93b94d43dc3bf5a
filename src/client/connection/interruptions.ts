/**
 * Logs what interrupts the transfers and calls of a client. A server that is away
 * interrupts all of them again and again: each outage is logged once, with the
 * time that retries will go on.
 */
import type { TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Tracing } from '../../base/tracing.ts';

const MS_PER_SECOND = 1_000;

/** What is known of the servers that are tried. */
interface Reach {
  /** There has been a connection; otherwise trying is over in seconds, and the error tells. */
  readonly hasConnected: boolean;
  /** Another server may go on. */
  readonly hasAnother: boolean;
}

export class Interruptions {
  readonly #logger: Logger;
  readonly #tracing: Tracing;
  readonly #triedFor: string;
  #isOutage = false;

  /** @param outageMs how long a server that has answered before is retried */
  constructor(logger: Logger, tracing: Tracing, outageMs: number) {
    this.#logger = logger;
    this.#tracing = tracing;
    this.#triedFor = `${Math.round(outageMs / MS_PER_SECOND)} s`;
  }

  /**
   * Another attempt follows.
   *
   * @param what happens: `transfer interrupted; resuming`
   * @param fields of the log line: the name, the offset
   */
  tell(
    { hasAnother, hasConnected }: Reach,
    what: string,
    error: TransferError,
    waitMs: number,
    fields: { name?: string; offset?: number } = {},
  ): void {
    const { code, message, requestId } = error;
    const line = {
      ...fields,
      code,
      reason: message,
      ...(requestId === undefined ? {} : { requestId }),
      waitMs,
    };
    this.#tracing.event('interrupted', line);
    if (error.code !== 'UNAVAILABLE') this.#logger.info(line, what);
    else if (this.#isOutage || !hasConnected || hasAnother) this.#logger.debug(line, what);
    else {
      const { name: _, ...rest } = line;
      this.#isOutage = true;
      this.#logger.info(rest, `the server is not available; trying again for ${this.#triedFor}`);
    }
  }

  /** The server has answered. */
  over(): void {
    this.#isOutage = false;
  }
}
