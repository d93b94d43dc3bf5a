/**
 * Where the answers to one request of an Exchange go: onto the stream that all
 * share, with the id of the request, as far as the peer has granted.
 */
import type { TransferError } from '../../base/errors.ts';
import type { Credit } from '../../engine/download/outlet.ts';
import type { PeerPace } from '../../engine/download/peer-pace.ts';
import type { BulkCall, SentRun } from '../../flow/calls/bulk-call.ts';
import type { ExchangeResponse, ListFilesResponse, StreamFileResponse } from '../../wire/messages.ts';
import type { ListOutlet } from '../list-files.ts';
import type { RangeOutlet } from '../range/send-range.ts';

type Answers = BulkCall<never, ExchangeResponse>;

/** What both kinds of answers share: their credit, and their end. */
class RequestOutlet implements Credit {
  readonly exchangeId: number;
  readonly credit: Credit = this;
  grantedBytes = 0;
  /** The first message goes out. */
  onStarted: () => void = () => {};
  protected readonly answers: Answers;
  readonly #grantListeners: (() => void)[] = [];
  readonly #endListeners: ((error: TransferError) => void)[] = [];
  #endedBy: TransferError | null = null;

  constructor(exchangeId: number, answers: Answers) {
    this.exchangeId = exchangeId;
    this.answers = answers;
  }

  grant(bytes: number): void {
    this.grantedBytes = Math.min(this.grantedBytes + bytes, Number.MAX_SAFE_INTEGER);
    for (const listener of this.#grantListeners) listener();
  }

  onGrant(listener: () => void): void {
    this.#grantListeners.push(listener);
  }

  /** Nothing more is to be sent. The first error stays. */
  end(error: TransferError): void {
    if (this.#endedBy !== null) return;
    this.#endedBy = error;
    for (const listener of this.#endListeners) listener(error);
  }

  onEnd(listener: (error: TransferError) => void): void {
    if (this.#endedBy === null) this.#endListeners.push(listener);
    else listener(this.#endedBy);
  }

  /** Resolves when the peer has granted more than `usedBytes`. Throws why the request has to end. */
  beyond(usedBytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.grantedBytes > usedBytes) resolve();
      };
      this.onEnd(reject);
      this.onGrant(look);
      look();
    });
  }
}

/** For the bytes of a range or a pack. */
export class RangeRequestOutlet extends RequestOutlet implements RangeOutlet {
  readonly pace: PeerPace;
  movedBytes = 0;
  #lastRun: SentRun | null = null;

  constructor(exchangeId: number, answers: Answers, pace: PeerPace) {
    super(exchangeId, answers);
    this.pace = pace;
  }

  /** Two for each request, and small: nobody waits for them. */
  async send(data: StreamFileResponse): Promise<void> {
    this.onStarted();
    this.answers.post({ id: this.exchangeId, data });
  }

  write(run: Uint8Array, done: () => void): void {
    this.onStarted();
    this.#lastRun = this.answers.write(run, () => {
      this.movedBytes += run.length;
      done();
    });
  }

  untouched(): Promise<void> {
    return this.#lastRun === null ? Promise.resolve() : this.answers.untouched(this.#lastRun);
  }

  pingBarrier(echoed: () => void): boolean {
    return this.answers.pingBarrier(echoed);
  }
}

/** For the entries of a listing, whose credit counts encoded bytes. */
export class ListRequestOutlet extends RequestOutlet implements ListOutlet {
  movedBytes = 0;

  async send(entries: ListFilesResponse): Promise<void> {
    await this.beyond(this.movedBytes);
    this.onStarted();
    this.movedBytes += this.answers.post({ id: this.exchangeId, entries });
  }
}
