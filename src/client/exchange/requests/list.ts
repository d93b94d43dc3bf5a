/** A listing on a session: resumed at its last position, and sent only as fast as it is taken. */
import type { TransferError } from '../../../base/errors.ts';
import type { ExchangeAnswer } from '../../../wire/exchange-answer.ts';
import type { ListFilesResponse } from '../../../wire/messages.ts';
import { brokenContract } from '../../broken-contract.ts';
import { LIST_WINDOW_BYTES } from '../../limits.ts';
import { checkedPosition } from '../../list.ts';
import { CreditWindow } from '../credit-window.ts';
import { type RequestFields, type RequestHost, SessionRequest } from '../request.ts';
import { TakeQueue } from '../take-queue.ts';

interface Batch {
  readonly response: ListFilesResponse;
  readonly encodedBytes: number;
}

export class ListRequest extends SessionRequest {
  readonly #recursive: boolean;
  readonly #queue = new TakeQueue<Batch>();
  readonly #window: CreditWindow;
  #after: Uint8Array = new Uint8Array(0);
  #heldBytes = 0;
  #hasBegun = false;

  constructor(host: RequestHost, prefix: string, recursive: boolean, signal: AbortSignal | undefined) {
    super(host, 'list', prefix, signal);
    this.#recursive = recursive;
    this.#window = new CreditWindow(LIST_WINDOW_BYTES, LIST_WINDOW_BYTES, host.growth);
  }

  override get isHeldUp(): boolean {
    return this.#window.grantedBytes <= 0;
  }

  /** The batches, in order. Leaving the loop cancels the request. */
  async *batches(): AsyncGenerator<ListFilesResponse, void, undefined> {
    this.host.submit(this);
    try {
      for (let batch = await this.#queue.next(); batch !== undefined; batch = await this.#queue.next()) {
        this.#heldBytes -= batch.encodedBytes;
        this.#window.taken(batch.encodedBytes);
        this.topUp();
        yield batch.response;
      }
    } finally {
      this.host.settle(this);
    }
  }

  override begin(): RequestFields {
    const list = { prefix: this.name, recursive: this.#recursive, after: this.#after, keepAliveMs: 0 };
    return { credit: this.#window.begin(this.host.maxCreditBytes), list };
  }

  override receive({ response, encodedBytes }: ExchangeAnswer): void {
    const { entries } = response;
    if (!entries) throw brokenContract('a listing was answered with something else');
    this.#window.receivedMessage(encodedBytes);
    this.#heldBytes += encodedBytes;
    this.#after = checkedPosition(entries.position);
    this.#hasBegun = true;
    this.budget.refill();
    this.#queue.push({ response: entries, encodedBytes });
  }

  override end(): void {
    this.host.settle(this);
  }

  override interrupt(): void {
    this.#window.interrupt(this.#heldBytes);
  }

  override topUp(): void {
    if (this.state === 'parked' && this.#window.hasRoom) this.host.submit(this);
    if (this.state !== 'open') return;
    const bytes = this.#window.due(this.host.maxCreditBytes);
    if (bytes > 0) this.host.grant(this, bytes);
  }

  override settled(error: TransferError | undefined): void {
    this.#window.close();
    this.#queue.end(error);
  }

  /** A server that does not tell where a listing is cannot resume it. */
  override get canResume(): boolean {
    return !this.#hasBegun || this.#after.length > 0;
  }
}
