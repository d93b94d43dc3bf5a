/** The stock peer as a contender, in its settings. */
import { type Contender, driverContender, type Server, startServer } from '../harness/contender.ts';
import { compiledPath } from '../harness/paths.ts';
import { STOCK_SETTINGS, type StockSettings } from './stock-settings.ts';

export const stockTuned = stock('tuned');
export const stockDefault = stock('default');
export const stockLargeHeap = stock('large-heap');

function stock(settings: StockSettings): Contender {
  const start = (directory: string) => startStock(settings, directory);
  return driverContender(`stock ${settings}`, start, 'stock-driver', settings);
}

/** Serves a directory, and takes files into it; over TLS where there is a `pair`. */
export async function startStock(
  settings: StockSettings,
  directory: string,
  pair: readonly string[] = [],
): Promise<Server> {
  const program = compiledPath('bench/peers/stock-server.js');
  const { nodeFlags } = STOCK_SETTINGS[settings];
  return startServer(`stock ${settings}`, process.execPath, [
    ...nodeFlags,
    program,
    directory,
    settings,
    ...pair,
  ]);
}
