/** The server that runs in this process, alone or as one of several. */
import type { Config } from '../../config/schema.ts';
import type { PrimaryLink } from '../../server/processes/link.ts';
import type { Reloadable } from '../../server/reload.ts';
import { SluiceServer } from '../../server/server.ts';
import { collectLessOften } from '../process/heap.ts';
import type { ProcessLog } from '../process/log.ts';
import { registeredOpenTelemetry } from '../process/open-telemetry.ts';

/** @param primary of one of several */
export function ownServer(config: Config, logger: ProcessLog, primary?: PrimaryLink): SluiceServer {
  collectLessOften(config);
  const openTelemetry = registeredOpenTelemetry();
  return new SluiceServer(config, { logger, openTelemetry, reloads: [levelOf(logger)] }, primary);
}

function levelOf(logger: ProcessLog): Reloadable {
  return {
    what: 'log level',
    keys: ['log.level'],
    reload: async ({ log }) => {
      logger.setLevel(log.level);
      return null;
    },
  };
}
