/**
 * One of several servers at a time, as long as it can be reached: for uploads,
 * whose bytes are with it. Channels that share a `Turn` go on to the next server
 * together, and come back to one that was lost only when the next is lost too.
 *
 *     connecting to the one whose turn it is ─fails─▶ the next one ─all have failed─▶ all at once: the first that answers
 *
 * `pick_first` of grpc-js would not do: it tries the next server when the first has
 * not answered within 250 ms, so a slow link would scatter the connections of one
 * upload. Here it connects to the addresses of one server.
 */
import { type ChannelOptions, connectivityState, experimental } from '@grpc/grpc-js';
import { optionsFor, type UseOfServers, useOf } from './server-endpoints.ts';
import type { Turn } from './turn.ts';

const NAME = 'sluice_in_turn';

/** Attributes under this prefix are for balancers, not for connections. */
const TURN = `${experimental.SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX}.sluice_turn`;

class InTurnBalancer implements experimental.LoadBalancer {
  readonly #helper: experimental.ChannelControlHelper;
  /** For connections: reports go through `#settle`. */
  readonly #ownHelper: experimental.ChannelControlHelper;
  readonly #connections = new Map<string, experimental.LeafLoadBalancer>();
  /** Those that were tried since one has answered. */
  readonly #failed = new Set<string>();
  #servers: ReadonlyMap<string, experimental.Endpoint> = new Map();
  #turn: Turn | undefined;
  #options: ChannelOptions = {};
  #note = '';
  #lastError = '';
  #isSettling = false;
  #isClosed = false;

  constructor(helper: experimental.ChannelControlHelper) {
    this.#helper = helper;
    this.#ownHelper = experimental.createChildChannelControlHelper(helper, {
      createSubchannel: (address, options) => helper.createSubchannel(address, optionsFor(address, options)),
      updateState: (_state, _picker, message) => {
        if (message !== null) this.#lastError = message;
        this.#settleSoon();
      },
    });
  }

  updateAddressList(
    endpoints: experimental.StatusOr<experimental.Endpoint[]>,
    _config: experimental.TypedLoadBalancingConfig,
    options: ChannelOptions,
    note: string,
  ): boolean {
    // Several servers were found once; the next look-up may be better.
    if (!endpoints.ok) return true;
    const named = endpoints.value.map((each) => [experimental.endpointToString(each), each] as const);
    // Sorted, so that all clients agree on the order.
    this.#servers = new Map(named.sort(([one], [other]) => (one < other ? -1 : 1)));
    this.#options = options;
    this.#note = note;
    if (this.#turn === undefined) {
      this.#turn = options[TURN] as Turn;
      this.#turn.join(this.#settleSoon);
    }
    this.#settleSoon();
    return true;
  }

  exitIdle(): void {
    for (const connection of this.#connections.values()) connection.exitIdle();
  }

  resetBackoff(): void {
    // Connections have one each, below.
  }

  destroy(): void {
    this.#isClosed = true;
    this.#turn?.leave(this.#settleSoon);
    this.#keepOnly([]);
  }

  getTypeName(): string {
    return NAME;
  }

  /** Later, because a connection that tells of its state must not be closed meanwhile. */
  readonly #settleSoon = (): void => {
    if (this.#isSettling) return;
    this.#isSettling = true;
    queueMicrotask(() => {
      this.#isSettling = false;
      if (!this.#isClosed && this.#turn !== undefined) this.#settle(this.#turn);
    });
  };

  #settle(turn: Turn): void {
    const names = [...this.#servers.keys()];
    for (const name of this.#failed) if (!this.#servers.has(name)) this.#failed.delete(name);
    const wanted = turn.of(names);
    const ready = [wanted, ...names].find((name) => this.#stateOf(name) === connectivityState.READY);
    if (ready !== undefined && (ready === wanted || this.#haveAllFailed)) {
      this.#failed.clear();
      turn.moveTo(ready);
      this.#keepOnly([ready]);
    } else if (this.#stateOf(wanted) === connectivityState.TRANSIENT_FAILURE && !this.#haveAllFailed) {
      this.#failed.add(wanted);
      if (!this.#haveAllFailed) turn.lost(wanted);
    }
    this.#keepOnly(this.#haveAllFailed ? names : [turn.of(names)]);
    this.#report(turn.of(names));
  }

  get #haveAllFailed(): boolean {
    return this.#failed.size === this.#servers.size;
  }

  #stateOf(name: string): connectivityState | undefined {
    return this.#connections.get(name)?.getConnectivityState();
  }

  /** Opens what is missing, too; calls that run on what is closed go on to their end. */
  #keepOnly(names: readonly string[]): void {
    for (const [name, connection] of this.#connections) {
      if (names.includes(name)) continue;
      this.#connections.delete(name);
      connection.destroy();
    }
    for (const name of names) {
      const server = this.#servers.get(name);
      if (server === undefined || this.#connections.has(name)) continue;
      const connection = new experimental.LeafLoadBalancer(
        server,
        this.#ownHelper,
        this.#options,
        this.#note,
      );
      this.#connections.set(name, connection);
      connection.startConnecting();
    }
  }

  #report(current: string): void {
    const { CONNECTING, TRANSIENT_FAILURE } = connectivityState;
    const connection = this.#connections.get(current);
    if (connection === undefined) return;
    const state = connection.getConnectivityState();
    if (this.#haveAllFailed) {
      const picker = new experimental.UnavailablePicker({ details: this.#lastError });
      this.#helper.updateState(TRANSIENT_FAILURE, picker, this.#lastError);
    } else if (state === TRANSIENT_FAILURE) {
      this.#helper.updateState(CONNECTING, new experimental.QueuePicker(this), null);
    } else {
      this.#helper.updateState(state, connection.getPicker(), null);
    }
  }
}

const use = useOf(NAME, InTurnBalancer);

export function inTurn(turn: Turn): UseOfServers {
  return use({ [TURN]: turn });
}
