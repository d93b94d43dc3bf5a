/**
 * Measures the cases of a scenario in turn, round after round, each round from
 * another case on and every other one backwards, short cases several times, so that what else happens on
 * the machine, and what the case before leaves, hits all of them alike: on a
 * virtual machine the first to write a gigabyte also pays for memory that was
 * given back in the meantime. The first round warms up and does not count; a
 * scenario of many minutes leaves it out.
 */
import type { Medians } from './bar.ts';
import { type Metrics, mediansOfRuns } from './metrics.ts';
import type { BenchContext, Case, CaseParameters, Scenario } from './scenario.ts';

export interface CaseResult {
  name: string;
  parameters?: CaseParameters;
  /** Of the counted rounds, one or as many as the case has in each; none when it failed. */
  runs: Metrics[];
  median: Metrics;
  /** Why rounds failed. */
  errors: string[];
}

/** Who follows a run. */
export interface RoundsListener {
  /** One line before each measurement. */
  onProgress(line: string): void;
  /** After each counted round; `results` go on to change with the next one. */
  onRound(results: readonly CaseResult[], round: number): void;
}

/**
 * `rounds` counts the warm-up, also where the scenario leaves it out.
 * @param only the cases whose names it matches
 */
export async function runRounds(
  scenario: Scenario,
  context: BenchContext,
  rounds: number,
  listener: RoundsListener,
  only: RegExp = /(?:)/,
): Promise<CaseResult[]> {
  listener.onProgress(`${scenario.name}: preparing files`);
  try {
    const cases = (await scenario.prepare(context)).filter(({ name }) => only.test(name));
    if (cases.length === 0) throw new Error(`${scenario.name} has no case that matches ${only.source}`);
    const results = cases.map(
      ({ name, parameters }): CaseResult => ({
        name,
        ...(parameters === undefined ? {} : { parameters }),
        runs: [],
        median: {},
        errors: [],
      }),
    );
    for (let round = scenario.skipsWarmUp ? 1 : 0; round < rounds; round += 1) {
      const label = round === 0 ? 'warm-up' : `round ${round} of ${rounds - 1}`;
      for (const index of roundOf(cases, round)) {
        const subject = cases[index] as Case;
        listener.onProgress(`${scenario.name}: ${label}: ${subject.name}`);
        await runOnce(subject, results[index] as CaseResult, round > 0);
      }
      for (const result of results) result.median = mediansOfRuns(result.runs);
      if (round > 0) listener.onRound(results, round);
    }
    return results;
  } finally {
    await scenario.cleanUp?.(context);
  }
}

/** Those that count: `1 round`, `5 rounds`. */
export function writeRounds(withWarmUp: number): string {
  const counted = withWarmUp - 1;
  return counted === 1 ? '1 round' : `${counted} rounds`;
}

/** All cases once, then again those that are measured more than once. */
function roundOf(cases: readonly Case[], round: number): number[] {
  const times = cases.map(({ timesARound = 1 }) => timesARound);
  const passes = Array.from({ length: Math.max(...times) }, (_, pass) => pass);
  return passes.flatMap((pass) =>
    turnsOf(round + pass, cases.length).filter((index) => (times[index] ?? 1) > pass),
  );
}

/** From another case on each time, and backwards every other time. */
function turnsOf(round: number, count: number): number[] {
  const direction = round % 2 === 0 ? 1 : -1;
  return Array.from({ length: count }, (_, turn) => (((round + turn * direction) % count) + count) % count);
}

/** The medians by name, as bars want them. */
export function mediansOf(results: readonly CaseResult[]): Medians {
  return new Map(results.map((result) => [result.name, result.median]));
}

async function runOnce(subject: Case, result: CaseResult, counts: boolean): Promise<void> {
  // A case that fails once would fail, and perhaps time out, again: its bars fail now.
  if (result.errors.length > 0) return;
  try {
    const metrics = await subject.measure();
    if (counts) result.runs.push(metrics);
  } catch (error) {
    result.errors.push(error instanceof Error ? error.message : String(error));
    result.runs = [];
  }
}
