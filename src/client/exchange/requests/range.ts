/**
 * What reads of files and of packs have in common: a range of bytes that comes
 * in chunks, with credit, each held against what it should be as those of a
 * download are.
 */
import type { TransferError } from '../../../base/errors.ts';
import type { SpanAttributes } from '../../../base/tracing.ts';
import type { ExchangeAnswer } from '../../../wire/exchange-answer.ts';
import type { StreamFileResponse } from '../../../wire/messages.ts';
import { brokenContract } from '../../broken-contract.ts';
import { CodecAccount } from '../../codec-account.ts';
import type { Position } from '../../download/position.ts';
import { type RangeContext, type RangeListener, RangeReceiver } from '../../download/range-receiver.ts';
import type { CreditWindow } from '../credit-window.ts';
import { SessionRequest } from '../request.ts';

export abstract class RangeRequest extends SessionRequest implements RangeListener {
  protected abstract readonly window: CreditWindow;
  /** Of the attempt; undefined between attempts. */
  protected receiver: RangeReceiver | undefined;
  /** Before compression, over all attempts. */
  #movedBytes = 0;

  protected abstract get position(): Position;

  /** Some of the range has neither come nor been granted. */
  get #needsCredit(): boolean {
    const { end } = this.position;
    if (this.receiver === undefined) return true;
    return this.receiver.arrivalOffset + this.window.grantedBytes < end;
  }

  override get isHeldUp(): boolean {
    return this.window.grantedBytes <= 0 && this.#needsCredit;
  }

  override get spanAttributes(): SpanAttributes {
    return { 'sluice.bytes': this.#movedBytes };
  }

  override receive({ response }: ExchangeAnswer): void {
    const { receiver } = this;
    const { data } = response;
    if (!data || receiver === undefined) throw brokenContract('a read was answered with something else');
    this.named(receiver, data);
    if (data.chunk.byteLength > 0) this.window.received(data.rawSize);
    this.#movedBytes += data.rawSize;
    receiver.take(data);
  }

  override end(): void {
    if (this.receiver?.isPinned !== true) throw brokenContract('a read ended, and its file was not named');
    this.receiver.finish();
  }

  override topUp(): void {
    if (this.state === 'parked' && this.window.hasRoom) this.host.submit(this);
    if (this.state !== 'open' || !this.#needsCredit) return;
    const bytes = this.window.due(this.host.maxCreditBytes);
    if (bytes > 0) this.host.grant(this, bytes);
  }

  onComplete(): void {
    this.host.settle(this);
  }

  onFailed(error: TransferError): void {
    // Of what went to the consumer, it is not known what is wrong.
    if (this.receiver?.isSuspect === true) this.host.settle(this, error);
    else this.host.failed(this, error);
  }

  onRoom(): void {}

  /** The first answer of an attempt names the file, and no other does. Throws PROTOCOL_ERROR. */
  protected abstract named(receiver: RangeReceiver, data: StreamFileResponse): void;

  /** Begins an attempt from where the position is. Returns its first credit. */
  protected beginRange(
    options: RangeContext['options'],
    sink: RangeContext['sink'],
    codecs: RangeContext['codecs'] = new CodecAccount(),
  ): number {
    this.receiver = new RangeReceiver({ options, position: this.position, sink, codecs }, this);
    return this.window.begin(this.host.maxCreditBytes);
  }
}
