/** `sluice tune --json`: one JSON object a line, for programs. Ratios: 1.05 is five per cent faster. */
import { writeJson } from '../process/output.ts';
import { writeSetting } from './candidate.ts';
import { type Comparison, winnerOf } from './comparison.ts';
import type { TuneDisplay, TunePlan, TuneResult } from './display.ts';

export class JsonDisplay implements TuneDisplay {
  note(text: string): void {
    void writeJson({ event: 'note', text });
  }

  async planned({ directory, sample, schedule, streams }: TunePlan): Promise<void> {
    await writeJson({ event: 'plan', directory: directory ?? null, sample, streams, ...schedule });
  }

  step(): void {}

  async compared(comparison: Comparison): Promise<void> {
    const { isComplete, key, measured, rounds, skipped, workloads } = comparison;
    const winner = winnerOf(comparison);
    await writeJson({
      event: 'comparison',
      key: key ?? null,
      rounds,
      isComplete,
      workloads: workloads.map(({ name }) => name),
      measured: measured.map(({ candidate, gain, rates, verdict }) => ({
        settings: candidate,
        mibPerSec: rates,
        gain,
        verdict,
      })),
      skipped,
      winner: winner?.candidate ?? null,
    });
  }

  async finished(result: TuneResult): Promise<void> {
    const { gain, isInterrupted, notMeasured, settings, typicalSpread } = result;
    const entries = Object.entries(settings).map(([key, value]) => [key, writeSetting(key, value)]);
    await writeJson({
      event: 'result',
      settings: Object.fromEntries(entries),
      gain: gain ?? null,
      isInterrupted,
      typicalSpread: typicalSpread ?? null,
      notMeasured,
    });
  }

  async saved(path: string): Promise<void> {
    await writeJson({ event: 'saved', path });
  }

  close(): void {}
}
