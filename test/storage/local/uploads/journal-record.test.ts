import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  decodeRecords,
  encodeRecords,
  JOURNAL_FORMAT,
  type JournalRecord,
} from '../../../../src/storage/local/uploads/journal/journal-record.ts';
import { JournalState } from '../../../../src/storage/local/uploads/journal/journal-state.ts';

const SPEC: JournalRecord = {
  kind: 'spec',
  format: JOURNAL_FORMAT,
  name: 'ünï/🪣',
  expected: { size: 10, crc32: 0xffffffff, sha256: '00'.repeat(32) },
  condition: { kind: 'version', version: 'v' },
  atMs: 1,
};

const RECORDS: readonly JournalRecord[] = [
  SPEC,
  {
    kind: 'durable',
    ranges: [
      [0, 5, 7],
      [6, 9, 8],
    ],
    synced: true,
    atMs: 2,
  },
  { kind: 'intent', size: 10, ino: '18446744073709551615', mtimeNs: '1700000000000000000' },
  { kind: 'finished', file: { name: 'ünï/🪣', size: 10, version: 'w', modifiedMs: 3 }, atMs: 4 },
];

describe('the records of a journal', () => {
  it('are read as they were written', () => {
    const bytes = Buffer.from(encodeRecords(RECORDS));
    assert.deepEqual(decodeRecords(bytes), { records: RECORDS, goodBytes: bytes.length });
  });

  it('end at the last whole one, wherever the file is torn', () => {
    const ends = RECORDS.map((_, index) => encodeRecords(RECORDS.slice(0, index + 1)).length);
    const bytes = Buffer.from(encodeRecords(RECORDS));
    for (let size = 0; size < bytes.length; size += 1) {
      const whole = ends.filter((end) => end <= size);
      // As truncated, as a file that has its size but not its bytes, and with something old behind.
      const tails = [
        Buffer.alloc(0),
        Buffer.alloc(bytes.length - size),
        Buffer.alloc(bytes.length - size, 0xff),
      ];
      for (const tail of tails) {
        const { records, goodBytes } = decodeRecords(Buffer.concat([bytes.subarray(0, size), tail]));
        // A zero or 0xff at the end of a record may be what was there.
        if (records.length > whole.length) continue;
        assert.deepEqual(records, RECORDS.slice(0, whole.length), `torn at ${size}`);
        assert.equal(goodBytes, whole.at(-1) ?? 0);
      }
    }
  });

  it('end before one with a wrong bit, wherever it is', () => {
    const bytes = Buffer.from(encodeRecords(RECORDS));
    const ends = RECORDS.map((_, index) => encodeRecords(RECORDS.slice(0, index + 1)).length);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const wrong = Buffer.from(bytes);
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const whole = ends.filter((end) => end <= bit >> 3).length;
      assert.deepEqual(decodeRecords(wrong).records, RECORDS.slice(0, whole));
    }
  });

  it('are none in a block of zeros', () => {
    assert.deepEqual(decodeRecords(Buffer.alloc(4096)), { records: [], goodBytes: 0 });
  });
});

describe('the state of a journal', () => {
  it('is the same after its records were written anew', () => {
    const state = JournalState.of(RECORDS);
    assert.ok(state !== undefined);
    const anew = JournalState.of(state.records());
    assert.deepEqual(anew?.records(), state.records());
    assert.deepEqual([...(anew?.committed ?? [])], [...state.committed]);
  });

  it('is none without a spec that this version knows', () => {
    assert.equal(JournalState.of([]), undefined);
    assert.equal(JournalState.of(RECORDS.slice(1)), undefined);
    assert.equal(JournalState.of([{ ...SPEC, format: JOURNAL_FORMAT + 1 }]), undefined);
  });
});
