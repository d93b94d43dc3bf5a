/** The receive windows of a server's uploads, as the configuration has them and as this version of Node allows. */
import { MIN_WINDOW_BYTES } from '../base/limits.ts';
import type { Logger } from '../base/logger.ts';
import { MIB } from '../base/units.ts';
import type { Config } from '../config/schema.ts';
import { windowsWork } from '../flow/self-tests/window-test.ts';
import { ReceiveWindows, type StreamWindows } from '../flow/windows/receive-windows.ts';
import { StaticWindows } from '../flow/windows/static-windows.ts';
import { WindowBudget } from '../flow/windows/window-budget.ts';

/** Before the link is measured, and where it cannot be. */
const START_WINDOW_BYTES = 8 * MIB;

/** HTTP/2's default: a read-only server receives requests only. */
const UNCHANGED: StreamWindows = {
  follow() {},
  stats: () => ({ sessions: 0, grantedBytes: 0, largestWindowBytes: MIN_WINDOW_BYTES }),
  close() {},
};

/** @param test whether windows can be changed here; only called where they are to follow the link */
export async function uploadWindows(
  { limits, uploads, writable }: Pick<Config, 'limits' | 'uploads' | 'writable'>,
  logger: Logger,
  test: () => Promise<boolean> = () => windowsWork('server'),
): Promise<StreamWindows> {
  if (!writable) return UNCHANGED;
  if (uploads.window > 0) return new StaticWindows(uploads.window);
  const startBytes = Math.min(START_WINDOW_BYTES, uploads.maxWindow);
  if (await test()) {
    const budget = new WindowBudget(uploads.windowBudget);
    return new ReceiveWindows({ startBytes, maxBytes: uploads.maxWindow, budget });
  }
  // `uploads.windowBudget` bounds this too.
  const equalBytes = Math.floor(uploads.windowBudget / limits.uploadStreams);
  const windowBytes = Math.max(MIN_WINDOW_BYTES, Math.min(startBytes, equalBytes));
  const fields = { node: process.version, windowBytes };
  logger.warn(
    fields,
    'receive windows cannot follow the link on this version of Node; they keep their initial size',
  );
  return new StaticWindows(windowBytes);
}
