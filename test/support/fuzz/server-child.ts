/**
 * The server as `sluice serve` runs it, in a process that also tells what it holds: it answers each
 * message of its parent with a report. Settings are JSON in its first argument; its log is standard error.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { collectLessOften } from '../../../src/cli/process/heap.ts';
import { createLog } from '../../../src/cli/process/log.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { countersOf, SluiceServer } from '../../../src/server/server.ts';
import type { ServerStats } from '../../../src/server/stats.ts';

export interface Report {
  stats: ServerStats;
  /** What lives on the heap, and outside of it for it; garbage was collected. */
  liveBytes: number;
  /** Calls and requests of Exchanges that have ended, by method or kind and code. */
  ended: Record<string, number>;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const config = configSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
collectLessOften(config);
const server = new SluiceServer(config, { logger: createLog(config.log) });
const { address } = await server.start();
process.stdout.write(`${address}\n`);
process.on('message', () => process.send?.(report()));
process.once('SIGTERM', () => {
  void server.stop().then(() => process.exit(0));
});

function report(): Report {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  const { calls, exchangeRequests } = countersOf(server);
  const ended: Record<string, number> = {};
  for (const metric of [calls, exchangeRequests]) {
    for (const { labels, value } of metric.samples()) if (value > 0) ended[labels.join(' ')] = value;
  }
  return { stats: server.stats(), liveBytes: heapUsed + external, ended };
}
