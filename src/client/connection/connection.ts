/**
 * A client of grpc-js whose sockets can be ended in any state. A connection that
 * is not made in time is given up with all its sockets, and the channel makes
 * another one: grpc-js would wait as long as the kernel does, or for ever.
 */
import { type ChannelCredentials, type ChannelOptions, Client, connectivityState } from '@grpc/grpc-js';
import { ClosableTarget } from '../../flow/connections/closable-target.ts';
import { refusePushes } from '../../flow/connections/no-pushes.ts';

export class Connection {
  readonly client: Client;
  readonly #target: ClosableTarget;
  readonly #startedAtMs = performance.now();
  #isClosed = false;

  /** @param isShared with other connections to the same address that have the same options */
  constructor(address: string, credentials: ChannelCredentials, options: ChannelOptions, isShared: boolean) {
    refusePushes();
    this.#target = ClosableTarget.open(address, isShared ? JSON.stringify([address, options]) : undefined);
    this.client = new Client(this.#target.text, credentials, options);
  }

  get isReady(): boolean {
    return this.client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** No call may begin on it any more. */
  get isGivenUp(): boolean {
    return this.#target.isRetired;
  }

  /** Counts a call, until it has its status. */
  track<Call extends NodeJS.EventEmitter>(call: Call): Call {
    this.#target.callBegan();
    call.once('status', () => this.#target.callEnded());
    return call;
  }

  /** After `afterMs` without a connection another one is tried, unless this one has just begun. */
  giveUp(afterMs: number): void {
    if (this.isReady || !this.#target.isResolved || performance.now() - this.#startedAtMs < afterMs) return;
    this.#target.retire();
    this.close();
  }

  /** Calls on an established connection go on to their end, all others end now, and so do sockets without calls. Safe to call twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.client.close();
    this.#target.leave();
  }
}
