/**
 * A contender is a server together with the client that reads from it. All
 * scenarios see it through this seam, so that they state a load only once.
 */
import { Child } from '../../src/cli/process/child.ts';
import type { LoadReport, LoadRequest } from '../drivers/protocol.ts';
import type { StockSettings } from '../peers/stock-settings.ts';
import { compiledPath } from './paths.ts';

/** How long a server may take until it accepts calls. */
const START_TIMEOUT_MS = 20_000;

/** How long one load may take; the slowest contender needs about a tenth of it. */
export const LOAD_TIMEOUT_MS = 180_000;

/** A running server process. */
export interface Server {
  /** host:port */
  readonly target: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** What a scenario says of a load; the rest has defaults, or is the contender's part. */
export type LoadPlan = Pick<LoadRequest, 'file'> &
  Partial<Omit<LoadRequest, 'target' | 'serverPid' | 'settings'>>;

export interface Contender {
  readonly name: string;
  /** Serves a directory. */
  start(directory: string): Promise<Server>;
  /** Puts a load on the server with the contender's client and measures it. */
  load(server: Server, plan: LoadPlan): Promise<LoadReport>;
}

/** A contender whose client is a driver program. */
export function driverContender(
  name: string,
  start: Contender['start'],
  driver: string,
  settings: StockSettings,
): Contender {
  return {
    name,
    start,
    load: (server, plan) =>
      finishDriver<LoadReport>(startDriver(driver, completeLoad(server, plan, settings))),
  };
}

/** One unchecked, uncompressed, discarded stream of the whole file, unless `plan` says otherwise. */
export function completeLoad(server: Server, plan: LoadPlan, settings: StockSettings): LoadRequest {
  return {
    target: server.target,
    serverPid: server.pid,
    settings,
    streams: 1,
    start: 0,
    chunkBytes: 0,
    verified: false,
    compression: 'never',
    sink: { kind: 'discard' },
    ...plan,
  };
}

/** Runs a server program until it prints its ready line; `log` is a descriptor for its standard error. */
export async function startServer(
  name: string,
  command: string,
  args: readonly string[],
  log?: number,
): Promise<Server> {
  const child = new Child(name, command, args, { stdio: ['ignore', 'pipe', log ?? 'pipe'] });
  const [ready] = await child.says(/^.*ready.*\n/m, START_TIMEOUT_MS);
  const target = /\S+:\d+/.exec(ready)?.[0];
  if (target === undefined) {
    await child.end();
    throw new Error(`${name}: no host:port in its ready line: ${ready}`);
  }
  return { target, pid: child.pid, stop: () => child.end() };
}

/** What runs a driver program with its request. */
export function driverCommand(driver: string, request: object): [program: string, ...args: string[]] {
  return [process.execPath, compiledPath(`bench/drivers/${driver}.js`), JSON.stringify(request)];
}

/** Starts a driver program with its request. */
export function startDriver(driver: string, request: object): Child {
  const [program, ...args] = driverCommand(driver, request);
  return new Child(driver, program, args);
}

/** Waits for a driver and returns its report, the last line it printed. */
export async function finishDriver<Report>(driver: Child): Promise<Report> {
  await driver.succeed(LOAD_TIMEOUT_MS);
  return JSON.parse(driver.stdout.trimEnd().split('\n').at(-1) || 'null') as Report;
}
