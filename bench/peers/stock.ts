/** The stock peer as a contender, in its settings. */
import { type Contender, driverContender, startServer } from '../harness/contender.ts';
import { compiledPath } from '../harness/paths.ts';
import { STOCK_SETTINGS, type StockSettings } from './stock-settings.ts';

export const stockTuned = stock('tuned');
export const stockDefault = stock('default');
export const stockLargeHeap = stock('large-heap');

function stock(settings: StockSettings): Contender {
  const name = `stock ${settings}`;
  const program = compiledPath('bench/peers/stock-server.js');
  const { nodeFlags } = STOCK_SETTINGS[settings];
  const start = (directory: string) =>
    startServer(name, process.execPath, [...nodeFlags, program, directory, settings]);
  return driverContender(name, start, 'stock-driver', settings);
}
