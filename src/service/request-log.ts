/** The line that each request leaves in the log, at info; defects at error, with their cause. */
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { RequestFacts } from './context.ts';

/** What a line shows of a text that came from the peer. */
const MAX_TEXT_CHARS = 256;

export class RequestLog {
  readonly #logger: Logger;
  readonly #method: string;
  readonly #peer: string;
  readonly #facts: RequestFacts;
  readonly #startMs = performance.now();

  /** `facts` may be completed until the request has ended. */
  constructor(logger: Logger, method: string, peer: string, facts: RequestFacts) {
    this.#logger = logger;
    this.#method = method;
    this.#peer = peer;
    this.#facts = facts;
  }

  ended(): void {
    this.#logger.info(this.#fields('OK'), `${this.#method} done`);
  }

  /** Returns the reason as the typed error it is sent as. */
  failed(reason: unknown): TransferError {
    const error = TransferError.from(reason);
    const fields = { ...this.#fields(error.code), reason: cut(error.message) };
    if (error.code === 'INTERNAL' || error.code === 'DATA_LOSS') {
      this.#logger.error({ ...fields, err: error }, `${this.#method} failed`);
    } else {
      this.#logger.info(fields, `${this.#method} ended`);
    }
    return error;
  }

  #fields(result: string): object {
    const durationMs = Math.round((performance.now() - this.#startMs) * 10) / 10;
    const { rawBytes } = this.#facts;
    const rate =
      rawBytes && durationMs > 0 ? { rateBytesPerSec: Math.round((rawBytes / durationMs) * 1000) } : {};
    const { file, upload } = this.#facts;
    const texts = { file: cut(file), ...(upload === undefined ? {} : { upload: cut(upload) }) };
    return { method: this.#method, peer: this.#peer, ...this.#facts, ...texts, durationMs, ...rate, result };
  }
}

function cut(text: string): string {
  return text.length <= MAX_TEXT_CHARS ? text : `${text.slice(0, MAX_TEXT_CHARS)}…`;
}
