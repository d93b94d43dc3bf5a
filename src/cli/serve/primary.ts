/** The process that starts and watches the processes of a server. */
import type { Config } from '../../config/schema.ts';
import { Primary } from '../../server/processes/primary.ts';
import type { ProcessLog } from '../process/log.ts';

export function primaryOf(config: Config, logger: ProcessLog) {
  const primary = new Primary(config, logger);
  return {
    start: () => primary.start(),
    reload: async (next: Config) => {
      logger.setLevel(next.log.level);
      await primary.reload(next);
    },
    restart: () => primary.restart(),
    stop: () => primary.stop(),
  };
}
