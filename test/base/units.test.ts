import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  formatBytes,
  formatDuration,
  GIB,
  KIB,
  MIB,
  parseBytes,
  parseDurationMs,
} from '../../src/base/units.ts';

const BYTE_FACTORS: [string, number][] = [
  ['', 1],
  ['B', 1],
  ['K', KIB],
  ['KiB', KIB],
  ['M', MIB],
  ['MiB', MIB],
  ['G', GIB],
  ['GiB', GIB],
  ['T', 1024 * GIB],
  ['TiB', 1024 * GIB],
];

const TIME_FACTORS: [string, number][] = [
  ['', 1],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
];

const spelling = fc.constantFrom<(text: string) => string>(
  (text) => text,
  (text) => text.toLowerCase(),
  (text) => text.toUpperCase(),
);

/** Whole numbers of any unit, as people write them. */
function written(factors: [string, number][]) {
  return fc.record({
    count: fc.nat(4000),
    unit: fc.constantFrom(...factors),
    gap: fc.constantFrom('', ' '),
    margin: fc.constantFrom('', ' '),
    spelling,
  });
}

describe('parseBytes', () => {
  it('reads a whole number of every unit, in any case, with or without a space', () => {
    fc.assert(
      fc.property(written(BYTE_FACTORS), ({ count, unit, gap, margin, spelling }) => {
        const text = `${margin}${count}${gap}${spelling(unit[0])}${margin}`;
        assert.equal(parseBytes(text), count * unit[1]);
      }),
    );
  });

  it('takes a fraction of a unit when it is whole bytes', () => {
    assert.equal(parseBytes('1.5KiB'), 1536);
    assert.equal(parseBytes('0.25M'), 262_144);
  });

  it('goes up to the largest safe integer and no further', () => {
    assert.equal(parseBytes('9007199254740991'), Number.MAX_SAFE_INTEGER);
    assert.equal(parseBytes('9007199254740992'), undefined);
    assert.equal(parseBytes('9999999T'), undefined);
  });

  const refused = [
    '',
    ' ',
    'K',
    '-1',
    '+1',
    '1.5',
    '0.1KiB',
    '1.',
    '.5K',
    '1e3',
    '0x10',
    '1 K B',
    '1KB',
    '1s',
    '1,5K',
    '∞',
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parseBytes(text), undefined);
    });
  }

  it('refuses names of inherited properties as units', () => {
    for (const name of ['constructor', 'toString', 'valueOf', 'hasOwnProperty']) {
      assert.equal(parseBytes(`1${name}`), undefined);
    }
  });

  it('yields a safe integer or nothing for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,20} ?[a-zA-Z]{0,3}$/)), (text) => {
        const bytes = parseBytes(text);
        assert.ok(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0));
      }),
    );
  });
});

describe('parseDurationMs', () => {
  it('reads a whole number of every unit', () => {
    fc.assert(
      fc.property(written(TIME_FACTORS), ({ count, unit, gap, margin, spelling }) => {
        const text = `${margin}${count}${gap}${spelling(unit[0])}${margin}`;
        assert.equal(parseDurationMs(text), count * unit[1]);
      }),
    );
  });

  it('takes a fraction of a unit when it is whole milliseconds', () => {
    assert.equal(parseDurationMs('1.5s'), 1500);
    assert.equal(parseDurationMs('0.5ms'), undefined);
  });

  for (const text of ['', 'abc', '-1s', '1d', '1KiB', '1m30s']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parseDurationMs(text), undefined);
    });
  }
});

describe('formatBytes', () => {
  const written: [number, string][] = [
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [1000, '0.98 KiB'],
    [1024, '1.00 KiB'],
    [1536, '1.50 KiB'],
    [10 * KIB, '10.0 KiB'],
    [100 * KIB, '100 KiB'],
    [MIB, '1.00 MiB'],
    [GIB, '1.00 GiB'],
    [5 * 1024 * GIB, '5.00 TiB'],
  ];
  for (const [bytes, text] of written) {
    it(`writes ${bytes} as ${text}`, () => {
      assert.equal(formatBytes(bytes), text);
    });
  }

  it('writes at most three significant figures below 1000 TiB', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999 * 1024 * GIB }), (bytes) => {
        const [figures = ''] = formatBytes(bytes).split(' ');
        const significant = figures.replace('.', '').replace(/^0+/, '');
        assert.ok(significant.length <= 3, `${bytes} is written as ${formatBytes(bytes)}`);
      }),
      // What rounding carries over into one more figure.
      { examples: [[10_235], [102_350], [1_023_500], [Math.round(9.999 * MIB)]] },
    );
  });

  it('writes what parseBytes reads back within the precision of three figures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999 * 1024 * GIB }), (bytes) => {
        const [figures, unit] = formatBytes(bytes).split(' ') as [string, string];
        const readBack = Number(figures) * (parseBytes(`1${unit}`) as number);
        assert.ok(Math.abs(readBack - bytes) <= bytes * 0.006, `${bytes} is written as ${figures} ${unit}`);
      }),
    );
  });
});

describe('formatDuration', () => {
  const written: [number, string][] = [
    [0, '0ms'],
    [250, '250ms'],
    [999, '999ms'],
    [1000, '1.0s'],
    [1550, '1.6s'],
    [59_949, '59.9s'],
    [59_950, '1m0s'],
    [90_500, '1m31s'],
    [3_599_000, '59m59s'],
    [3_599_500, '1h0m'],
    [7_260_000, '2h1m'],
  ];
  for (const [ms, text] of written) {
    it(`writes ${ms} ms as ${text}`, () => {
      assert.equal(formatDuration(ms), text);
    });
  }

  it('never writes 60 seconds, 60 minutes or 1000 milliseconds', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
        assert.doesNotMatch(formatDuration(ms), /(^|\D)(60(\.0)?s|60m(?!s)|1000ms)/);
      }),
      { examples: [[999.6], [59_960], [3_599_700]] },
    );
  });
});
