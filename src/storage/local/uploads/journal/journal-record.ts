/**
 * The records of an upload's journal, and how they stand in the file, one behind
 * the other:
 *
 *   ┌────────────────┬───────────────┬────────────────────────┐
 *   │ length  u32 le │ CRC-32 u32 le │ record: JSON in UTF-8  │
 *   └────────────────┴───────────────┴────────────────────────┘
 *
 * Length and CRC-32 are those of the JSON. The first incomplete or wrong frame
 * ends the journal: bytes behind it were never acknowledged. A length of 0 is
 * wrong, because a block of zeros would otherwise be a record.
 */
import { crc32 } from '../../../../wire/crc32.ts';
import type { FileIdentity } from '../../../store.ts';
import type { WriteCondition } from '../../../upload-store.ts';

/** Raised when an older sluice would misread a journal. */
export const JOURNAL_FORMAT = 1;

/** First in each journal: what was started. */
export interface SpecRecord {
  readonly kind: 'spec';
  readonly format: number;
  readonly name: string;
  /** What the client declared; the SHA-256 in hexadecimal. */
  readonly expected: { readonly size?: number; readonly crc32?: number; readonly sha256?: string };
  readonly condition: WriteCondition;
  /** What the file is to get, where the client said it. */
  readonly modifiedMs?: number;
  readonly mode?: number;
  /** The identity that began it. */
  readonly owner?: string;
  readonly atMs: number;
}

/** Start, end and CRC-32 of a range. */
export type RangeFields = readonly [start: number, end: number, crc32: number];

/** These ranges were made durable before this record was written. */
export interface DurableRecord {
  readonly kind: 'durable';
  readonly ranges: readonly RangeFields[];
  /** false where the policy is not to sync: a power cut may have taken the bytes, so they are read again. */
  readonly synced: boolean;
  readonly atMs: number;
}

/** The partial file is whole and right, and gets its name next. Tells a later process whether it did. */
export interface IntentRecord {
  readonly kind: 'intent';
  readonly size: number;
  /** The inode and its time of modification, which the change of its name keeps. */
  readonly ino: string;
  readonly mtimeNs: string;
}

/** The file is there. */
export interface FinishedRecord {
  readonly kind: 'finished';
  readonly file: FileIdentity;
  /** Of the file, where it was checked; hexadecimal. */
  readonly sha256?: string;
  readonly atMs: number;
}

export type JournalRecord = SpecRecord | DurableRecord | IntentRecord | FinishedRecord;

const FRAME_HEADER_BYTES = 8;

/** A durable record of 16 GiB in pieces of 8 MiB has 100 KiB. */
const MAX_RECORD_BYTES = 4 * 1024 * 1024;

export function encodeRecords(records: readonly JournalRecord[]): Uint8Array {
  return Buffer.concat(records.map(encodeRecord));
}

function encodeRecord(record: JournalRecord): Buffer {
  const payload = Buffer.from(JSON.stringify(record));
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt32LE(crc32(payload), 4);
  return Buffer.concat([header, payload]);
}

/** The whole records at the start of `bytes`, and how many bytes they take. */
export function decodeRecords(bytes: Buffer): { records: JournalRecord[]; goodBytes: number } {
  const records: JournalRecord[] = [];
  let offset = 0;
  while (offset + FRAME_HEADER_BYTES <= bytes.length) {
    const end = offset + FRAME_HEADER_BYTES + bytes.readUInt32LE(offset);
    const payload = bytes.subarray(offset + FRAME_HEADER_BYTES, end);
    if (end > bytes.length || payload.length === 0 || payload.length > MAX_RECORD_BYTES) break;
    if (crc32(payload) !== bytes.readUInt32LE(offset + 4)) break;
    // The CRC-32 proves that encodeRecord wrote this.
    records.push(JSON.parse(payload.toString('utf8')) as JournalRecord);
    offset = end;
  }
  return { records, goodBytes: offset };
}
