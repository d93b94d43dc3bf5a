/** sluice beside other services, on a gRPC server that belongs to a program. */
import { Server, type ServerOptions } from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import type { Config } from '../config/schema.ts';
import { grpcOptions, ServerRecords, Services, type ServicesOptions } from './services.ts';
import { type ServerStats, serverStats } from './stats.ts';

/** The services that were added. */
export interface AddedSluice {
  /** What they hold now. */
  stats(): ServerStats;
  /**
   * Lets running calls end for at most `graceMs` (default: shutdown.grace), makes uploads durable as far as they have
   * come, and ends the rest with UNAVAILABLE. Call `tryShutdown` of the server first, so that no new calls come.
   */
  stop(graceMs?: number): Promise<void>;
}

/**
 * What a `Server` of grpc-js needs for `addSluice`: `new Server(sluiceServerOptions(config))`. Options of the program
 * go beside these.
 */
export function sluiceServerOptions(config: Config): ServerOptions {
  return grpcOptions(config, false);
}

/**
 * Adds the services of sluice to a server that does not listen yet, made with `sluiceServerOptions`. Listening, TLS,
 * health and reflection are the program's, and so are limits on connections: whatever peers can cost before a
 * call begins is bounded by `SluiceServer` only.
 *
 * @throws TransferError INVALID_CONFIG for what the operator can mend; INVALID_ARGUMENT for a server of another copy of grpc-js.
 */
export async function addSluice(
  server: Server,
  config: Config,
  options: ServicesOptions = {},
): Promise<AddedSluice> {
  if (!(server instanceof Server)) {
    throw new TransferError(
      'INVALID_ARGUMENT',
      'the server is of another copy of @grpc/grpc-js than that of sluice; install one version for both',
    );
  }
  const records = new ServerRecords(options.logger);
  const services = await Services.open(config, options, records);
  services.bind(server);
  services.admin.start();
  let stopped: Promise<void> | undefined;
  const stop = async (graceMs: number) => {
    await services.drain(graceMs);
    await services.close();
  };
  return {
    stats: () => serverStats(records.counters),
    stop: (graceMs = config.shutdown.grace) => {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}
