/**
 * Output for people: tables, a bar on a terminal, and the verdict, all on
 * standard error. Standard output gets the configuration alone, so that
 * `sluice tune > sluice.yaml` works.
 */
import { formatBytes, formatDuration } from '../../base/units.ts';
import { colorsFor, isLive, printable, writeLine } from '../process/output.ts';
import { writeFileCount, writeWait } from '../progress/progress-text.ts';
import { type Candidate, isSame, writeCandidate } from './candidate.ts';
import { comparisonLines, writePercent, writeSpread } from './chart.ts';
import type { Comparison } from './comparison.ts';
import type { Step, TuneDisplay, TunePlan, TuneResult } from './display.ts';
import { isWide, RULE } from './gain.ts';
import { configText } from './result-file.ts';
import { StepBar } from './step-bar.ts';

const MAX_LINE_CHARS = 80;

export class TextDisplay implements TuneDisplay {
  readonly #stream = process.stderr;
  readonly #bar = isLive(process.stderr) ? new StepBar(process.stderr) : undefined;

  note(text: string): void {
    this.#write(text.split('\n').map(printable));
  }

  async planned({ directory, sample, schedule, streams }: TunePlan): Promise<void> {
    const from = directory === undefined ? 'generated: half text, half noise' : `the largest of ${directory}`;
    const compressible = sample.isCompressible ? 'compressible' : 'not compressible';
    const loads = streams === 1 ? '1 stream' : `1 and ${streams} streams`;
    const { loadMs, rounds } = schedule;
    this.note(
      [
        `${writeFileCount(sample.files.length)}, ${formatBytes(sample.bytes)}, ${compressible} (${from})`,
        `${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${formatDuration(loadMs)} for each value, ${loads}, beside the best so far`,
        `about ${writeWait(schedule.estimateMs)}; Ctrl-C keeps what was measured`,
      ].join('\n'),
    );
  }

  step(step: Step): void {
    this.#bar?.show(step);
  }

  async compared(comparison: Comparison): Promise<void> {
    this.#write(['', ...comparisonLines(comparison, colorsFor(this.#stream))]);
  }

  async finished(result: TuneResult): Promise<void> {
    const { bold } = colorsFor(this.#stream);
    const lines = remarks(result).flatMap(wrapped);
    this.#write(['', ...wrapped(verdict(result)).map(bold), ...lines, '']);
    await writeLine(configText(result).trimEnd());
  }

  async saved(path: string): Promise<void> {
    this.note(`saved to ${path}; use it with sluice serve --config ${path}`);
  }

  close(): void {
    this.#bar?.clear();
  }

  #write(lines: readonly string[]): void {
    this.#bar?.clear();
    this.#stream.write(lines.map((line) => `${line.trimEnd()}\n`).join(''));
  }
}

function verdict({ gain, isInterrupted, settings, typicalSpread }: TuneResult): string {
  const isNothing = isSame(settings, {});
  if (isInterrupted) {
    return isNothing
      ? 'Interrupted; so far nothing was clearly faster than the defaults.'
      : `Interrupted; the best so far, not yet compared with the defaults: ${writeCandidate(settings)}`;
  }
  if (isNothing && isWide(typicalSpread)) return 'Nothing was clearly faster than the defaults.';
  if (isNothing) return 'The defaults are as good: nothing was clearly faster here.';
  const gained = gain === undefined ? '' : `: ${writePercent(gain.median)} (${writeSpread(gain)})`;
  return `Faster than the defaults${gained}: ${writeCandidate(settings)}`;
}

function remarks({ isInterrupted, notMeasured, settings, typicalSpread }: TuneResult): string[] {
  const rule = [`The rule: ${RULE}.`, ...noiseRemark(typicalSpread)];
  const why = isInterrupted ? '' : ', for lack of time';
  const late = notMeasured.length === 0 ? [] : [`Not measured${why}: ${notMeasured.join(', ')}.`];
  return [...rule, ...late, ...chunkRemark(settings)];
}

/** With much noise, no gain found does not mean that there is none. */
function noiseRemark(typicalSpread: number | undefined): string[] {
  if (typicalSpread === undefined || !isWide(typicalSpread)) return [];
  return [
    `The spreads are wide (typically ${Math.round(typicalSpread * 100)} %), so smaller gains cannot be seen; an idle machine, a longer --time and more --rounds make them narrower.`,
  ];
}

/** Otherwise users would wonder why the chunk size does not change `sluice get`. */
function chunkRemark(settings: Candidate): string[] {
  if (settings['chunk.size'] === undefined) return [];
  return ['chunk.size is for clients that ask for none; sluice get has --chunk-size.'];
}

/** Wraps to a terminal's width; a longer word, such as a path, stays whole. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > MAX_LINE_CHARS) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
