/** The words of a scenario: cases that are measured in turn, and bars that their medians must keep. */
import type { Bar } from './bar.ts';
import type { Contender, LoadPlan, Server } from './contender.ts';
import { type Metrics, toMetrics } from './metrics.ts';
import type { TestFiles } from './test-files.ts';

/** What a scenario may use. */
export interface BenchContext {
  readonly files: TestFiles;
  /** Shorter: less data, so less sharp figures. */
  readonly quick: boolean;
  /** Servers outside Node that were asked for and are installed. */
  readonly extraPeers: readonly Contender[];
}

/** Where a case stands in a chart; what a scenario does not vary is left out. */
export interface CaseParameters {
  /** Who is measured: the name of a line or bar. */
  readonly contender: string;
  readonly streams?: number;
  /** Of the link, without load, in milliseconds. */
  readonly roundTripMs?: number;
  readonly linkMibPerSec?: number | 'unlimited';
  /** What is moved, or how: `text`, `random`, `tar of both`. */
  readonly data?: string;
}

/** One thing to measure, in processes of its own each time. */
export interface Case {
  readonly name: string;
  /** Without them a report reads `contender × streams` from the name. */
  readonly parameters?: CaseParameters;
  /** Default 1; more where a run takes a second or two, which what else happens on a machine moves more than a minute. */
  readonly timesARound?: number;
  measure(): Promise<Metrics>;
}

export interface Scenario {
  readonly name: string;
  /** What is measured, in one line. */
  readonly describe: string;
  readonly bars: readonly Bar[];
  /** No round to warm up: rounds take many minutes, and all that a case leaves to the next are cached files, which are new. */
  readonly skipsWarmUp?: true;
  /** Why it cannot run on this machine; undefined when it can. */
  unavailable?(): string | undefined;
  /** Makes the files it needs and returns its cases. */
  prepare(context: BenchContext): Promise<readonly Case[]>;
  /** Removes what must not stay for the scenarios after it. */
  cleanUp?(context: BenchContext): Promise<void>;
}

/** A case that puts one load on a fresh server. */
export function loadCase(name: string, contender: Contender, context: BenchContext, plan: LoadPlan): Case {
  return {
    name,
    measure: () =>
      withServer(contender, context, async (server) => toMetrics(await contender.load(server, plan))),
  };
}

/** Runs `work` against a fresh server and stops the server in any event. */
export async function withServer<T>(
  contender: Contender,
  context: BenchContext,
  work: (server: Server) => Promise<T>,
): Promise<T> {
  const server = await contender.start(context.files.directory);
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}
