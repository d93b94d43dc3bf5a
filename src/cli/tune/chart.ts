/** Comparisons as text: a table with the gain and its spread drawn beside the figures. */
import type { Colors } from '../process/output.ts';
import { printable } from '../process/output.ts';
import { type TunedKey, valueIn, writeCandidate, writeSetting } from './candidate.ts';
import { type Comparison, type Measured, winnerOf } from './comparison.ts';
import type { Gain } from './gain.ts';

/** One cell is one per cent; values beyond the ends are cut off and marked. */
const CHART_PERCENT = 10;

/** Together with the chart they fill 80 columns. */
const VALUE_CHARS = 9;
const RATE_CHARS = 10;
const GAIN_CHARS = 8;
const SPREAD_CHARS = 16;

/** A heading, a row for each contender, and what was skipped. */
export function comparisonLines(comparison: Comparison, colors: Colors): string[] {
  const { key, skipped } = comparison;
  return [
    colors.bold(title(comparison)),
    colors.dim(header(comparison)),
    ...comparison.measured.map((each) => row(each, comparison, colors)),
    ...skipped.map(({ value, why }) =>
      colors.dim(`  ${writeSetting(key ?? '', value)} cannot be: ${printable(why)}`),
    ),
  ];
}

/** `+3.9 %`; a minus sign of its own width. */
export function writePercent(ratio: number): string {
  return `${signed(ratio)} %`;
}

/** `+1.2 … +5.0 %`. */
export function writeSpread({ low, high }: Gain): string {
  return `${signed(low)} … ${writePercent(high)}`;
}

function signed(ratio: number): string {
  const percent = (ratio - 1) * 100;
  const digits = Math.abs(percent) < 100 ? 1 : 0;
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(digits)}`;
}

function title({ isComplete, key, rounds }: Comparison): string {
  const subject = key ?? 'the best against the defaults';
  const count = `${rounds} ${rounds === 1 ? 'round' : 'rounds'}`;
  return `${subject}, ${isComplete ? `medians of ${count}` : `interrupted after ${count}`}`;
}

function header({ workloads }: Comparison): string {
  const rates = workloads.map(({ name }) => name.padStart(rateChars(name))).join('');
  const ends = `−${CHART_PERCENT} %`.padEnd(CHART_PERCENT);
  const chart = `${ends}0${`+${CHART_PERCENT} %`.padStart(CHART_PERCENT)}`;
  return `  ${'MiB/s'.padEnd(VALUE_CHARS)}${rates}${'gain %'.padStart(GAIN_CHARS)}${'spread'.padStart(SPREAD_CHARS)}  ${chart}`;
}

function row(measured: Measured, comparison: Comparison, colors: Colors): string {
  const { gain, rates, verdict } = measured;
  const value = valueText(measured, comparison.key).padEnd(VALUE_CHARS);
  const figures = comparison.workloads.map(({ name }, load) =>
    writeRate(rates[load]).padStart(rateChars(name)),
  );
  if (gain === undefined)
    return `  ${value}${figures.join('')}${'–'.padStart(GAIN_CHARS)}${' '.repeat(SPREAD_CHARS + 2 + CHART_PERCENT)}│`;
  const percent = signed(gain.median);
  const spread = `${signed(gain.low)} … ${signed(gain.high)}`;
  const paint =
    verdict === 'faster' ? colors.green : verdict === 'slower' ? colors.red : (text: string) => text;
  const isWinner = winnerOf(comparison) === measured;
  const text = `${value}${figures.join('')}${percent.padStart(GAIN_CHARS)}${spread.padStart(SPREAD_CHARS)}  ${bar(gain)}`;
  return `${isWinner ? colors.green('▸') : ' '} ${paint(text)}`;
}

function valueText({ candidate }: Measured, key: TunedKey | undefined): string {
  if (key !== undefined) return writeSetting(key, valueIn(candidate, key));
  return writeCandidate(candidate) === 'the defaults' ? 'defaults' : 'best';
}

function writeRate(mibPerSec: number | undefined): string {
  return mibPerSec === undefined || Number.isNaN(mibPerSec) ? '–' : mibPerSec.toFixed(mibPerSec < 10 ? 1 : 0);
}

function rateChars(name: string): number {
  return Math.max(RATE_CHARS, name.length + 2);
}

/** The spread as a line, the median as a point on it, the base as an axis. */
function bar({ high, low, median }: Gain): string {
  const [first, last, middle] = [cellOf(low), cellOf(high), cellOf(median)];
  const cells = Array.from({ length: 2 * CHART_PERCENT + 1 }, (_, cell): string => {
    if (cell === middle) return '●';
    if (cell >= first && cell <= last) return '━';
    return cell === CHART_PERCENT ? '│' : ' ';
  });
  if (low < 1 - CHART_PERCENT / 100) cells[0] = '◂';
  if (high > 1 + CHART_PERCENT / 100) cells[cells.length - 1] = '▸';
  return cells.join('').trimEnd();
}

function cellOf(ratio: number): number {
  const cell = Math.round((ratio - 1) * 100) + CHART_PERCENT;
  return Math.min(2 * CHART_PERCENT, Math.max(0, cell));
}
