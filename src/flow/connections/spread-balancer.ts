/**
 * Calls spread over several servers: round robin under outlier detection, both of
 * grpc-js. This balancer stands above them and adds what they lack: each server is
 * verified by its own name, servers that say NOT_SERVING are left out, and only
 * what a server is to blame for counts against it.
 */
import { type ChannelOptions, connectivityState, experimental, type Metadata, status } from '@grpc/grpc-js';
import { optionsFor, type UseOfServers, useOf } from './server-endpoints.ts';
import { ServerHealth, type WatchedServer } from './server-health.ts';

const NAME = 'sluice_spread';

const ROUND_ROBIN = { round_robin: {} };

/** A server that fails half of its calls is left out for ten seconds, longer when that repeats, never more than half of them. */
const OUTLIER_DETECTION = {
  outlier_detection: {
    interval: { seconds: 5, nanos: 0 },
    base_ejection_time: { seconds: 10, nanos: 0 },
    max_ejection_time: { seconds: 60, nanos: 0 },
    max_ejection_percent: 50,
    failure_percentage_ejection: {
      threshold: 50,
      enforcement_percentage: 100,
      minimum_hosts: 2,
      request_volume: 5,
    },
    child_policy: [ROUND_ROBIN],
  },
};

/** Anything else would be the same on every server, or was the caller's wish. */
const FAULTS: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.INTERNAL,
  status.UNKNOWN,
  status.DATA_LOSS,
]);

/**
 * A connection that was lost is no answer, and has no metadata: grpc-js leaves the server out until it can be
 * connected to, and then it must not stay out, because it may be the only one.
 */
function isFault(code: status, metadata: Metadata): boolean {
  return code === status.DEADLINE_EXCEEDED || (FAULTS.has(code) && Object.keys(metadata.getMap()).length > 0);
}

class SpreadBalancer implements experimental.LoadBalancer {
  readonly #child: experimental.ChildLoadBalancerHandler;
  readonly #health = new ServerHealth();

  constructor(helper: experimental.ChannelControlHelper) {
    const ownHelper = experimental.createChildChannelControlHelper(helper, {
      createSubchannel: (address, options) =>
        this.#health.watched(helper.createSubchannel(address, optionsFor(address, options))),
      updateState: (state, picker, message) => {
        const own = state === connectivityState.READY ? new SpreadPicker(picker, this.#health) : picker;
        helper.updateState(state, own, message);
      },
    });
    this.#child = new experimental.ChildLoadBalancerHandler(ownHelper);
  }

  updateAddressList(
    endpoints: experimental.StatusOr<experimental.Endpoint[]>,
    _config: experimental.TypedLoadBalancingConfig,
    options: ChannelOptions,
    note: string,
  ): boolean {
    // An environment variable of grpc-js turns outlier detection off.
    const config = experimental.selectLbConfigFromList([OUTLIER_DETECTION, ROUND_ROBIN] as never);
    return config !== null && this.#child.updateAddressList(endpoints, config, options, note);
  }

  exitIdle(): void {
    this.#child.exitIdle();
  }

  resetBackoff(): void {
    this.#child.resetBackoff();
  }

  destroy(): void {
    this.#health.close();
    this.#child.destroy();
  }

  getTypeName(): string {
    return NAME;
  }
}

class SpreadPicker implements experimental.Picker {
  readonly #picker: experimental.Picker;
  readonly #health: ServerHealth;

  constructor(picker: experimental.Picker, health: ServerHealth) {
    this.#picker = picker;
    this.#health = health;
  }

  pick(args: experimental.PickArgs): experimental.PickResult {
    const picked = this.#picker.pick(args);
    if (picked.pickResultType !== experimental.PickResultType.COMPLETE || picked.subchannel === null)
      return picked;
    return {
      ...picked,
      subchannel: (picked.subchannel as WatchedServer).wrapped,
      onCallStarted: () => {
        this.#health.callBegan();
        picked.onCallStarted?.();
      },
      onCallEnded: (code: status, details: string, metadata: Metadata) => {
        this.#health.callEnded();
        picked.onCallEnded?.(isFault(code, metadata) ? code : status.OK, details, metadata);
      },
    };
  }
}

const use = useOf(NAME, SpreadBalancer);

export function spread(): UseOfServers {
  return use({});
}
