/** The seam of upload scenarios: a server that takes files, with the client that sends them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../src/base/units.ts';
import type { LoadReport, UploadRequest } from '../drivers/protocol.ts';
import type { StockSettings } from '../peers/stock-settings.ts';
import { finishDriver, type Server, startDriver } from './contender.ts';
import { toMetrics } from './metrics.ts';
import { fillPageCache } from './page-cache.ts';
import type { BenchContext, Case } from './scenario.ts';

/** Node, its code, its threads, and the fixed cost of calls and connections; on top of the documented bound. */
export const NODE_BYTES = 150 * MIB;

/** What a scenario says of a load; the rest has defaults, or is the contender's part. */
export type UploadPlan = Pick<UploadRequest, 'path' | 'warmUpPath'> &
  Partial<Omit<UploadRequest, 'target' | 'serverPid' | 'settings'>>;

export interface UploadContender {
  readonly name: string;
  /** Takes files into a directory. */
  start(directory: string): Promise<Server>;
  /** Puts a load on the server with the contender's client and measures it. */
  upload(server: Server, plan: UploadPlan): Promise<LoadReport>;
}

/** A contender whose client is a driver program. */
export function driverUploads(
  name: string,
  start: UploadContender['start'],
  driver: string,
  settings: StockSettings,
): UploadContender {
  return {
    name,
    start,
    async upload({ target, pid }, plan) {
      const defaults = { streams: 1, chunkBytes: 0, verified: false, compression: 'never' } as const;
      const request: UploadRequest = { target, serverPid: pid, settings, ...defaults, ...plan };
      return await finishDriver<LoadReport>(startDriver(driver, request));
    },
  };
}

/** A case that sends to a fresh server with an empty directory, and removes what was sent. */
export function uploadCase(
  name: string,
  contender: UploadContender,
  context: BenchContext,
  plan: UploadPlan,
): Case {
  return {
    name,
    measure: () =>
      withEmptyDirectory(context.files.directory, (directory) => measureUploads(contender, directory, plan)),
  };
}

/** The metrics of one load on a fresh server of `directory`. */
export async function measureUploads(contender: UploadContender, directory: string, plan: UploadPlan) {
  const server = await contender.start(directory);
  try {
    return toMetrics(await contender.upload(server, plan));
  } finally {
    await server.stop();
  }
}

/** Into memory that is in use already. What is written below it is gone afterwards, and with it what waits to be written to the disk. */
export async function withEmptyDirectory<T>(
  parent: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  fillPageCache(parent);
  const directory = mkdtempSync(join(parent, 'uploads-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
