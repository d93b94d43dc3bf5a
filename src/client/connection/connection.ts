/**
 * A client of grpc-js whose sockets can be ended in any state. A connection that
 * is not made in time is given up with all its sockets, and the channel makes
 * another one: grpc-js would wait as long as the kernel does, or for ever.
 */
import { type ChannelCredentials, type ChannelOptions, Client, connectivityState } from '@grpc/grpc-js';
import { ClosableTarget, type NamedServer } from '../../flow/connections/closable-target.ts';
import { refusePushes } from '../../flow/connections/no-pushes.ts';
import type { Turn } from '../../flow/connections/turn.ts';

export interface ConnectionPlan {
  readonly servers: readonly NamedServer[];
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
  /** With other connections to the same servers that have the same options. */
  readonly isShared: boolean;
  /** To one of the servers at a time. */
  readonly turn: Turn | undefined;
}

export class Connection {
  readonly client: Client;
  readonly #target: ClosableTarget;
  readonly #turn: Turn | undefined;
  readonly #startedAtMs = performance.now();
  #isClosed = false;

  constructor({ credentials, isShared, options, servers, turn }: ConnectionPlan) {
    refusePushes();
    const sharedAs = isShared ? JSON.stringify([servers, options]) : undefined;
    this.#turn = turn;
    this.#target = ClosableTarget.open(servers, { sharedAs, turn });
    this.client = new Client(this.#target.text, credentials, options);
  }

  get isReady(): boolean {
    return this.client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** Servers of the target, as far as it has been resolved. */
  get serverCount(): number {
    return this.#target.serverCount;
  }

  /** Connects. Resolves when the target was resolved, or could not be. */
  async resolved(): Promise<void> {
    this.client.getChannel().getConnectivityState(true);
    await this.#target.resolved;
  }

  /** Another server may answer a call that one has failed. */
  get hasAnother(): boolean {
    const state = this.client.getChannel().getConnectivityState(false);
    return this.serverCount > 1 && state !== connectivityState.TRANSIENT_FAILURE;
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
    this.#turn?.givenUp(this.#startedAtMs);
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
