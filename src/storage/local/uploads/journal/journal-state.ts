/**
 * The state that the records of a journal add up to. Changes only by `apply`,
 * after the record is in the journal, so a later process will read the same.
 */
import { type CheckedRange, CheckedRanges } from '../../../../wire/checked-ranges.ts';
import {
  type DurableRecord,
  type FinishedRecord,
  type IntentRecord,
  JOURNAL_FORMAT,
  type JournalRecord,
  type RangeFields,
  type SpecRecord,
} from './journal-record.ts';

export class JournalState {
  readonly spec: SpecRecord;
  /** All durable ranges. */
  readonly committed = new CheckedRanges();
  intent: IntentRecord | undefined;
  finished: FinishedRecord | undefined;
  /** When the last record that tells of progress was written. */
  touchedMs: number;
  #synced = true;

  constructor(spec: SpecRecord) {
    this.spec = spec;
    this.touchedMs = spec.atMs;
  }

  /** The state after `records`; undefined when they are not a journal that this version can read. */
  static of(records: readonly JournalRecord[]): JournalState | undefined {
    const [spec, ...rest] = records;
    if (spec?.kind !== 'spec' || spec.format !== JOURNAL_FORMAT) return undefined;
    const state = new JournalState(spec);
    for (const record of rest) state.apply(record);
    return state;
  }

  apply(record: JournalRecord): void {
    switch (record.kind) {
      case 'spec':
        break;
      case 'durable':
        for (const range of rangesOf(record)) {
          // Ranges of an upload never overlap; a damaged journal must not end the process.
          if (!this.committed.overlaps(range)) this.committed.add(range);
        }
        this.#synced &&= record.synced;
        this.touchedMs = record.atMs;
        break;
      case 'intent':
        this.intent = record;
        break;
      case 'finished':
        this.finished = record;
        this.touchedMs = record.atMs;
        break;
    }
  }

  /** The fewest records that say the same. */
  records(): JournalRecord[] {
    const records: JournalRecord[] = [this.spec];
    if (this.committed.count > 0) {
      records.push(durableRecord(this.committed, this.#synced, this.touchedMs));
    }
    if (this.intent !== undefined) records.push(this.intent);
    if (this.finished !== undefined) records.push(this.finished);
    return records;
  }
}

export function durableRecord(ranges: Iterable<CheckedRange>, synced: boolean, atMs: number): DurableRecord {
  const fields = Array.from(ranges, ({ start, end, crc32 }): RangeFields => [start, end, crc32]);
  return { kind: 'durable', ranges: fields, synced, atMs };
}

export function rangesOf(record: DurableRecord): CheckedRange[] {
  return record.ranges.map(([start, end, crc32]) => ({ start, end, crc32 }));
}
