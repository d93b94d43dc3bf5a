/** The peers outside Node, by the names that `--peers` takes. */
import type { Contender } from '../harness/contender.ts';
import { prepareGrpcGo } from './grpc-go.ts';
import { prepareNginx } from './nginx.ts';

/** Prepares a peer; `workDirectory` may hold what it builds. Resolves to why not when it is not installed. */
export type PreparePeer = (workDirectory: string) => Promise<Contender | string>;

export const EXTRA_PEERS = { nginx: prepareNginx, 'grpc-go': prepareGrpcGo } as const satisfies Record<
  string,
  PreparePeer
>;

export function isExtraPeer(name: string): name is keyof typeof EXTRA_PEERS {
  return Object.hasOwn(EXTRA_PEERS, name);
}
