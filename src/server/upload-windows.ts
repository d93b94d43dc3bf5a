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

/** Windows, and what becomes of them when a limit changes. */
export interface UploadWindows {
  readonly windows: StreamWindows;
  /** So many uploads may be under way from now on. */
  limitTo(uploadStreams: number): void;
}

/** @param test whether windows can be changed here; only called where they are to follow the link */
export async function uploadWindows(
  { limits, uploads, writable }: Pick<Config, 'limits' | 'uploads' | 'writable'>,
  logger: Logger,
  test: () => Promise<boolean> = () => windowsWork('server'),
): Promise<UploadWindows> {
  if (!writable) return unlimited(UNCHANGED);
  if (uploads.window > 0) return unlimited(new StaticWindows(uploads.window));
  const startBytes = Math.min(START_WINDOW_BYTES, uploads.maxWindow);
  if (await test()) {
    const budget = new WindowBudget(uploads.windowBudget);
    return unlimited(new ReceiveWindows({ startBytes, maxBytes: uploads.maxWindow, budget }));
  }
  // `uploads.windowBudget` bounds this too.
  const sizeFor = (streams: number) =>
    Math.max(MIN_WINDOW_BYTES, Math.min(startBytes, Math.floor(uploads.windowBudget / streams)));
  const windowBytes = sizeFor(limits.uploadStreams);
  const fields = { node: process.version, windowBytes };
  logger.warn(
    fields,
    'receive windows cannot follow the link on this version of Node; they keep their initial size',
  );
  const windows = new StaticWindows(windowBytes);
  return { windows, limitTo: (streams) => windows.resize(sizeFor(streams)) };
}

/** Their total does not depend on how many streams there may be, or is in the memory sum of the configuration. */
function unlimited(windows: StreamWindows): UploadWindows {
  return { windows, limitTo() {} };
}
