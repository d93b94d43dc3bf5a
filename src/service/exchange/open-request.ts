/** One request of an Exchange, from its first message until its end is sent. */
import { EXCHANGE_REQUEST_KINDS, type ExchangeRequestKind } from '../../base/counters/counters.ts';
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import type { PlaceHolder } from '../../base/places.ts';
import type { SpanAttributes } from '../../base/tracing.ts';
import type { PeerPace } from '../../engine/download/peer-pace.ts';
import type { StreamSight } from '../../engine/stream-sight.ts';
import type { BulkCall } from '../../flow/calls/bulk-call.ts';
import type { ExchangeRequest, ExchangeResponse } from '../../wire/messages.ts';
import { failureOf } from '../../wire/status.ts';
import type { ServiceContext } from '../context.ts';
import { makeDirectory, statInfo } from '../file-requests.ts';
import { sendListing } from '../list-files.ts';
import { type RequestFacts, spanAttributesOf } from '../prelude/request-log.ts';
import { servePack } from '../range/serve-pack.ts';
import { serveRange } from '../range/serve-range.ts';
import { writePack } from '../uploads/write-pack.ts';
import { ListRequestOutlet, RangeRequestOutlet } from './request-outlet.ts';

/** What a message asks for; undefined where it is about a request that is open. */
export function kindOf(message: ExchangeRequest): ExchangeRequestKind | undefined {
  return EXCHANGE_REQUEST_KINDS.find((kind) => message[kind]);
}

/** waiting: for its first credit; nothing is opened. starting: no message of it has gone out yet. */
type Phase = 'waiting' | 'starting' | 'started';

const NEEDS_CREDIT: ReadonlySet<ExchangeRequestKind> = new Set(['read', 'readPack', 'list']);

export class OpenRequest implements PlaceHolder {
  /** Why its end says that it failed. */
  failure: TransferError | null = null;
  readonly #kind: ExchangeRequestKind;
  readonly #message: ExchangeRequest;
  readonly #context: ServiceContext;
  readonly #answers: BulkCall<never, ExchangeResponse>;
  readonly #outlet: RangeRequestOutlet | ListRequestOutlet;
  readonly #facts: RequestFacts = {};
  readonly #onStarting: (change: 1 | -1) => void;
  #error: TransferError | null = null;
  #phase: Phase = 'waiting';

  constructor(
    kind: ExchangeRequestKind,
    message: ExchangeRequest,
    context: ServiceContext,
    answers: BulkCall<never, ExchangeResponse>,
    pace: PeerPace,
    onStarting: (change: 1 | -1) => void,
  ) {
    this.#kind = kind;
    this.#message = message;
    this.#context = context;
    this.#answers = answers;
    this.#onStarting = onStarting;
    this.#outlet =
      kind === 'list'
        ? new ListRequestOutlet(message.id, answers)
        : new RangeRequestOutlet(message.id, answers, pace);
    this.#outlet.onStarted = () => {
      if (this.#phase === 'starting') this.#enter('started');
    };
  }

  get result(): ErrorCode | 'OK' {
    return this.failure?.code ?? 'OK';
  }

  /** Once it has ended. */
  get spanAttributes(): SpanAttributes {
    return spanAttributesOf({ file: this.name, ...this.#facts });
  }

  get movedBytes(): number {
    return this.#outlet.movedBytes;
  }

  /** Without credit the peer is what it waits for. */
  get isHeldUp(): boolean {
    return this.#phase !== 'waiting';
  }

  /** The file or directory that it is about; that of the first of a pack. */
  get name(): string {
    const { list, makeDirectory: directory, read, readPack, stat, write } = this.#message;
    const [packed] = readPack?.files ?? write?.files ?? [];
    return list?.prefix ?? (read ?? stat ?? directory ?? packed)?.fileName ?? '';
  }

  /** Undefined before it moves bytes. */
  sight(nowMs: number): StreamSight | undefined {
    return this.#facts.moving?.sight(nowMs);
  }

  /** The peer has to grant something before it can go on. */
  lacksCredit(nowMs: number): boolean {
    return this.#phase === 'waiting' || (this.sight(nowMs)?.lacksCredit ?? false);
  }

  grant(bytes: number): void {
    if (bytes > 0 && this.#phase === 'waiting') this.#enter('starting');
    this.#outlet.grant(bytes);
  }

  /** Ends it before its time. The first error stays. */
  fail(error: TransferError): void {
    this.#error ??= error;
    this.#outlet.end(error);
  }

  evict(error: TransferError): void {
    this.fail(error);
  }

  /** Nothing of it waits for its peer any more. */
  cut(): void {}

  /** Serves it, and sends its end. Never throws. Nothing uses what it held then. */
  async serve(owner: string | null): Promise<void> {
    const { id } = this.#message;
    try {
      if (this.#error !== null) throw this.#error;
      if (!NEEDS_CREDIT.has(this.#kind)) this.#enter('starting');
      await this.#answer(owner);
      this.#answers.post({ id, end: { failure: null } });
    } catch (reason) {
      const error = this.#error ?? TransferError.from(reason);
      this.failure = error;
      this.#answers.post({ id, end: { failure: failureOf(error) } });
    }
    this.#enter('started');
  }

  /** Adds what it moved to the facts of its stream. */
  addTo(facts: RequestFacts): void {
    for (const sum of ['rawBytes', 'wireBytes', 'entries', 'files'] as const) {
      const more = this.#facts[sum];
      if (more !== undefined) facts[sum] = (facts[sum] ?? 0) + more;
    }
    // Of the whole stream until now.
    if (this.#facts.codings !== undefined) facts.codings = this.#facts.codings;
  }

  async #answer(owner: string | null): Promise<void> {
    const context = this.#context;
    const { id, list, makeDirectory: directory, read, readPack, stat, write } = this.#message;
    const outlet = this.#outlet;
    if (outlet instanceof ListRequestOutlet) {
      if (list) await sendListing(context, list, outlet, this.#facts);
    } else if (read) {
      await outlet.beyond(0);
      await serveRange(context, read, outlet, this.#facts);
    } else if (readPack) {
      await outlet.beyond(0);
      await servePack(context, readPack, outlet, this.#facts);
    } else if (stat) {
      const ended = new AbortController();
      outlet.onEnd((error) => ended.abort(error));
      this.#answers.post({ id, info: await statInfo(context, stat, ended.signal) });
    } else if (write) {
      this.#facts.files = write.files.length;
      this.#answers.post({ id, written: await writePack(context, write, owner) });
    } else if (directory) {
      await makeDirectory(context, directory);
    }
  }

  #enter(phase: Phase): void {
    if (this.#phase === 'starting') this.#onStarting(-1);
    if (phase === 'starting') this.#onStarting(1);
    this.#phase = phase;
  }
}
