/** The last errors and refusals, for operators. Bounded; nothing is kept of what went well. */
import type { TransferError } from '../base/errors.ts';
import type { EndedRequest } from '../service/prelude/call-prelude.ts';
import type { Event } from '../wire/admin-messages.ts';
import { presentable } from '../wire/status.ts';
import { whoOf } from './transfers.ts';

/** How many are remembered. */
const MAX_EVENTS = 200;

const WATCH = 'sluice.v1.AdminService/Watch';

/** Texts of peers are cut to this. */
const MAX_TEXT_CHARS = 256;

export class RecentEvents {
  /** Oldest first. */
  readonly #events: Event[] = [];
  #sequence = 0;

  /** The number of the last one. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** A call that ended otherwise than well, or was refused. */
  addCall(
    { facts, method, owner, path, peer, requestId }: EndedRequest,
    code: string,
    error: TransferError | null,
  ): void {
    // Observers end their watch in no other way.
    if (method === WATCH && code === 'CANCELLED') return;
    this.add({
      method: path ?? method,
      who: whoOf(owner, peer),
      peer,
      name: facts.file ?? '',
      code,
      message: error === null ? '' : presentable(error),
      requestId,
    });
  }

  /** A connection that was closed or refused for cause. */
  addClosing(code: string, peer: string, message: string): void {
    this.add({ method: '', who: peer, peer, name: '', code, message, requestId: '' });
  }

  add(event: Omit<Event, 'sequence' | 'timeMs'>): void {
    this.#sequence += 1;
    if (this.#events.length >= MAX_EVENTS) this.#events.shift();
    this.#events.push({
      ...event,
      method: cut(event.method),
      name: cut(event.name),
      message: cut(event.message),
      sequence: this.#sequence,
      timeMs: Date.now(),
    });
  }

  /** Those behind the one of number `sequence`, oldest first. */
  since(sequence: number): Event[] {
    return this.#events.filter((event) => event.sequence > sequence);
  }
}

function cut(text: string): string {
  return text.length <= MAX_TEXT_CHARS ? text : `${text.slice(0, MAX_TEXT_CHARS)}…`;
}
