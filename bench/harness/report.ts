/** How results leave the bench: a table to read, a JSON file to keep. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { type Bar, passes } from './bar.ts';
import { METRIC_TITLES, METRICS } from './metrics.ts';
import { repositoryPath } from './paths.ts';
import { type CaseResult, mediansOf } from './rounds.ts';
import type { Scenario } from './scenario.ts';
import { formatFigure, formatTable } from './table.ts';

/** What the figures were measured on; without it they mean nothing. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  kernel: string;
  node: string;
  /** Runnable processes, mean of the last minute, before the bench began. */
  loadBefore: number;
}

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    loadBefore: loadavg()[0] ?? 0,
  };
}

/** What is kept of one run of a scenario. */
export interface ResultDocument {
  scenario: string;
  describe: string;
  /** When it ended, in ISO 8601. */
  date: string;
  machine: Machine;
  /** With the warm-up. */
  rounds: number;
  quick: boolean;
  /** A regular expression: cases with other names were left out. */
  only?: string;
  cases: readonly CaseResult[];
  bars: readonly BarResult[];
}

/** Above this load others take part of the processors, so that figures are not to be trusted. */
export const BUSY_LOAD = 0.5;

export interface BarResult extends Pick<Bar, 'direction' | 'bound' | 'whenMissed'> {
  name: string;
  /** Null in a file stands for NaN: there was no such figure. */
  figure: number | null;
  pass: boolean;
}

/** Medians of all cases and the bars with their verdicts. */
export function formatResults(scenario: Scenario, results: readonly CaseResult[]): string {
  const metrics = METRICS.filter((metric) => results.some((result) => result.median[metric] !== undefined));
  const figures = formatTable(
    ['', ...metrics.map((metric) => METRIC_TITLES[metric])],
    results.map((result) => [result.name, ...metrics.map((metric) => formatFigure(result.median[metric]))]),
  );
  const errors = results.flatMap((result) =>
    result.errors.map((error) => pc.red(`${result.name}: ${error}`)),
  );
  return [
    `\n${pc.bold(scenario.name)}: ${scenario.describe}\n`,
    figures,
    ...errors,
    '',
    formatBars(scenario, results),
  ].join('\n');
}

/** Whether every bar of the scenario is passed. */
export function passesAll(scenario: Scenario, results: readonly CaseResult[]): boolean {
  return scenario.bars.every((bar) => passes(bar, mediansOf(results)));
}

/** Writes the results beside those of earlier runs, over those of the same run so far, and returns the file's path. */
export function saveResults(
  scenario: Scenario,
  results: readonly CaseResult[],
  startedAt: Date,
  settings: Pick<ResultDocument, 'machine' | 'rounds' | 'quick' | 'only'>,
): string {
  const medians = mediansOf(results);
  const directory = repositoryPath('bench/results');
  const path = join(directory, `${startedAt.toISOString().replaceAll(':', '-')}-${scenario.name}.json`);
  const document: ResultDocument = {
    scenario: scenario.name,
    describe: scenario.describe,
    date: new Date().toISOString(),
    ...settings,
    cases: results,
    bars: scenario.bars.map((bar) => ({
      name: bar.figure.name,
      direction: bar.direction,
      bound: bar.bound,
      figure: bar.figure.evaluate(medians),
      pass: passes(bar, medians),
      ...(bar.whenMissed === undefined ? {} : { whenMissed: bar.whenMissed }),
    })),
  };
  mkdirSync(directory, { recursive: true });
  writeFileSync(path, `${JSON.stringify(document, undefined, 2)}\n`);
  return path;
}

function formatBars(scenario: Scenario, results: readonly CaseResult[]): string {
  const medians = mediansOf(results);
  const rows = scenario.bars.map((bar) => [
    bar.figure.name,
    formatFigure(bar.figure.evaluate(medians)),
    `${bar.direction} ${bar.bound}`,
    passes(bar, medians) ? 'pass' : 'FAIL',
  ]);
  return formatTable(['bar', 'figure', 'bound', ''], rows)
    .replace(/pass$/gm, pc.green('pass'))
    .replace(/FAIL$/gm, pc.red('FAIL'));
}
