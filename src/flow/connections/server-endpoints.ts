/** What a name resolves to, as endpoints of grpc-js: one for each server. */
import { isIPv6 } from 'node:net';
import { type ChannelOptions, experimental } from '@grpc/grpc-js';

/** grpc-js passes addresses unchanged to `net.connect` and to balancers. */
type ServerAddress = experimental.SubchannelAddress & {
  readonly signal: AbortSignal;
  readonly tlsName: string | undefined;
};

export interface ServerEndpoint extends experimental.Endpoint {
  addresses: ServerAddress[];
}

/** One address of each family is one server that can be reached by both; several of one family are several servers. */
export function serversAt(
  endpoints: readonly experimental.Endpoint[],
  beside: Omit<ServerAddress, keyof experimental.SubchannelAddress>,
): ServerEndpoint[] {
  const addresses = endpoints.flatMap((endpoint) =>
    endpoint.addresses.map((each) => ({ ...each, ...beside })),
  );
  const ofIPv6 = addresses.filter((address) => 'host' in address && isIPv6(address.host)).length;
  if (ofIPv6 <= 1 && addresses.length - ofIPv6 <= 1) return addresses.length === 0 ? [] : [{ addresses }];
  return addresses.map((address) => ({ addresses: [address] }));
}

/** The options of a connection to the address, which is verified by the name of its own server. */
export function optionsFor(address: experimental.SubchannelAddress, options: ChannelOptions): ChannelOptions {
  const { tlsName } = address as Partial<ServerAddress>;
  return tlsName === undefined ? options : { ...options, 'grpc.ssl_target_name_override': tlsName };
}

/** How the resolver tells grpc-js to use several servers. */
export interface UseOfServers {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly serviceConfig: Parameters<experimental.ResolverListener>[2];
}

type LoadBalancerType = Parameters<typeof experimental.registerLoadBalancerType>[1];

/**
 * The balancer `type`, known to grpc-js as `name` from its first use on. It takes no configuration: what it needs
 * comes with the attributes of a resolution.
 */
export function useOf(
  name: string,
  type: LoadBalancerType,
): (attributes: UseOfServers['attributes']) => UseOfServers {
  class NoConfig implements experimental.TypedLoadBalancingConfig {
    static createFromJson(): NoConfig {
      return new NoConfig();
    }

    getLoadBalancerName(): string {
      return name;
    }

    toJsonObject(): object {
      return { [name]: {} };
    }
  }
  const serviceConfig = experimental.statusOrFromValue({
    loadBalancingConfig: [{ [name]: {} }],
    methodConfig: [],
  } as never);
  return (attributes) => {
    if (!experimental.isLoadBalancerNameRegistered(name))
      experimental.registerLoadBalancerType(name, type, NoConfig);
    return { attributes, serviceConfig };
  };
}
