import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ResultDocument } from '../../bench/harness/report.ts';
import type { CaseResult } from '../../bench/harness/rounds.ts';
import type { CaseParameters } from '../../bench/harness/scenario.ts';
import { CHARTS, drawCharts, drawnPoints } from '../../bench/report/charts.ts';
import { spreadApart } from '../../bench/report/labels.ts';
import { benchmarkPage } from '../../bench/report/page.ts';
import { parametersOf, pointsOf } from '../../bench/report/points.ts';
import { reportFiles } from '../../bench/report/report-files.ts';
import { newestOf, readCommitted, writeResults } from '../../bench/report/results.ts';
import { COLOURS, stylesOf, withDarkForm } from '../../bench/report/theme.ts';

/** Seen from dist/test/bench. */
const DOCS = new URL('../../../docs/', import.meta.url);

function caseOf(name: string, rates: readonly number[], parameters?: CaseParameters): CaseResult {
  const runs = rates.map((rateMibPerSec) => ({ rateMibPerSec }));
  return { name, ...(parameters === undefined ? {} : { parameters }), runs, median: {}, errors: [] };
}

function resultOf(scenario: string, cases: readonly CaseResult[], date = '2026-01-01'): ResultDocument {
  const machine = {
    cpu: 'a processor',
    cores: 2,
    memoryBytes: 2 ** 34,
    kernel: '6',
    node: 'v20',
    loadBefore: 0,
  };
  return { scenario, describe: 'what it does', date, machine, rounds: 4, quick: false, cases, bars: [] };
}

test('docs/benchmarks.md and its charts are what results.json says', async () => {
  const files = await reportFiles(readCommitted(new URL('benchmarks/results.json', DOCS).pathname));
  for (const [name, text] of files) assert.ok(readFileSync(new URL(name, DOCS), 'utf8') === text, name);
  const charts = readdirSync(new URL('benchmarks/', DOCS)).filter((name) => name.endsWith('.svg'));
  assert.deepEqual(
    charts.filter((name) => !files.has(`benchmarks/${name}`)),
    [],
  );
});

test('of several results of a scenario the newest counts', () => {
  const documents = ['2026-01-02', '2026-01-03', '2026-01-01'].map((date) => resultOf('a', [], date));
  assert.deepEqual(
    newestOf([...documents, resultOf('b', [])]).map(({ date, scenario }) => [scenario, date]),
    [
      ['a', '2026-01-03'],
      ['b', '2026-01-01'],
    ],
  );
});

test('committed results are read back as they were written', () => {
  const text = writeResults([resultOf('a', [caseOf('sluice', [1234.5678, 0.00012345])])]);
  assert.equal(writeResults(JSON.parse(text)), text);
  assert.match(text, /1235/);
});

test('a case without parameters has those that its name tells', () => {
  const told = ['sluice × 64', 'stock tuned', 'stock tuned gzip', 'idle beside gzip'].map((name) =>
    parametersOf(caseOf(name, [])),
  );
  assert.deepEqual(told, [
    { contender: 'sluice', streams: 64 },
    { contender: 'stock tuned', streams: 1 },
    { contender: 'stock tuned', data: 'gzip' },
    { contender: 'idle sluice beside it', data: 'gzip' },
  ]);
});

test('a point is the median of the rounds between the smallest and the largest', () => {
  const document = resultOf('many-streams', [caseOf('sluice × 16', [3, 1, 8]), caseOf('failed × 16', [])]);
  const query = { scenarios: ['many-streams'], x: 'streams', metric: 'rateMibPerSec' } as const;
  assert.deepEqual(pointsOf([document], query), [
    { contender: 'sluice', x: 16, facet: '', value: 3, low: 1, high: 8 },
  ]);
});

test('results of emulated links are drawn from the parameters of their cases', async () => {
  const latency = [0, 16, 64].flatMap((roundTripMs) =>
    ['sluice', 'stock tuned'].map((contender) => caseOf(contender, [5, 6, 7], { contender, roundTripMs })),
  );
  const links = ([1, 10, 'unlimited'] as const).flatMap((linkMibPerSec) =>
    ['text', 'random'].map((data) =>
      caseOf(data, [5, 6, 7], { contender: 'sluice auto', linkMibPerSec, data }),
    ),
  );
  const drawn = await drawCharts([resultOf('latency', latency), resultOf('auto-compression', links)]);
  assert.deepEqual([...drawn.keys()], ['throughput-round-trip', 'throughput-link-rate']);
  for (const words of ['stock tuned', '>64 ms round trip<', 'MiB/s'])
    assert.ok(drawn.get('throughput-round-trip')?.includes(words), words);
  for (const words of ['sluice auto', '>unlimited<', '>random<'])
    assert.ok(drawn.get('throughput-link-rate')?.includes(words), words);
});

test('the same results always give the same drawings', async () => {
  const documents = readCommitted(new URL('benchmarks/results.json', DOCS).pathname);
  const again = await drawCharts(documents);
  for (const [name, svg] of await drawCharts(documents)) assert.ok(again.get(name) === svg, name);
});

test('every colour of a drawing has a dark form, and no two contenders share one', () => {
  const lights = Object.values(COLOURS).map(({ light }) => light);
  assert.equal(new Set(lights).size, lights.length);
  const svg = withDarkForm('<svg width="1"><rect fill="#ffffff"/></svg>');
  assert.match(svg, /^<svg width="1"><style>@media \(prefers-color-scheme: dark\)\{.*<\/style><rect/);
  const styles = stylesOf(['sluice', 'stock tuned', 'someone', 'someone else']);
  for (const part of ['colour', 'shape', 'dash'] as const) {
    assert.equal(new Set(styles.map((style) => String(style[part]))).size, styles.length, part);
  }
});

test('a contender has one colour on all charts, and nobody else has it', async () => {
  const documents = readCommitted(new URL('benchmarks/results.json', DOCS).pathname);
  const names = CHARTS.map((chart) => [
    ...new Set(drawnPoints(documents, chart).map((point) => point.contender)),
  ]);
  const owners = new Map<string, string>();
  for (const contenders of names) {
    for (const [index, { colour }] of stylesOf(contenders).entries()) {
      // What sluice does by itself is `auto` where its choices are compared.
      const name = (contenders[index] as string).replace(/, warm$/, '').replace(/^auto$/, 'sluice');
      assert.equal(owners.get(colour) ?? name, name, colour);
      owners.set(colour, name);
    }
  }
  assert.equal(new Set(owners.values()).size, owners.size);
});

test('a name stands at the end of its own line, or a leader goes from there to it', async () => {
  const [name, rates] = [
    ['sluice', 'grpc-go', 'stock tuned'],
    [100, 99, 98],
  ];
  const cases = name.flatMap((contender, index) =>
    [1, 16, 64].map((streams) => caseOf(contender, [rates[index] as number], { contender, streams })),
  );
  const svg = (await drawCharts([resultOf('many-streams', cases)])).get('throughput-streams') ?? '';
  const placed = (pattern: RegExp) => [...svg.matchAll(pattern)].map((match) => match.slice(1));
  const points = placed(/<path transform="translate\(460,([\d.]+)\)" d="M[^"]*" fill="(#\w+)"/g);
  const leaders = placed(
    /<line transform="translate\(468,([\d.]+)\)" x2="18" y2="(-?[\d.]+)" stroke="(#\w+)"/g,
  );
  const labels = placed(
    /<text text-anchor="start" transform="translate\(490,([\d.]+)\)"[^>]* fill="(#\w+)">/g,
  );
  assert.deepEqual([points.length, leaders.length, labels.length], [3, 3, 3]);
  for (const [start, rise, colour] of leaders) {
    const [end] = points.find((point) => point[1] === colour) ?? [];
    const [baseline] = labels.find((label) => label[1] === colour) ?? [];
    assert.ok(Math.abs(Number(start) - Number(end)) < 0.01);
    // The text's baseline is a few pixels below its middle.
    assert.ok(Math.abs(Number(start) + Number(rise) - Number(baseline)) < 5);
  }
});

test('no line joins two points', async () => {
  const at = (places: readonly number[]) =>
    places.map((streams) => caseOf('sluice', [5], { contender: 'sluice', streams }));
  const linesOf = async (places: readonly number[]) => {
    const charts = await drawCharts([resultOf('many-streams', at(places))]);
    return /<path d="M[^"]*L[^"]*" stroke="#0969da"/.test(charts.get('throughput-streams') ?? '');
  };
  assert.deepEqual([await linesOf([1, 16]), await linesOf([1, 16, 64])], [false, true]);
});

test('the page marks what was measured beside other load, and says why a bar is not kept', () => {
  const whenMissed = 'The disk is why.';
  const missed = {
    name: 'MiB/s',
    direction: 'at least',
    bound: 2,
    figure: 1,
    pass: false,
    whenMissed,
  } as const;
  const idle = resultOf('a', []);
  const busy = { ...idle, rounds: 2, machine: { ...idle.machine, loadBefore: 14.4 }, bars: [missed] };
  const [first, second] = [benchmarkPage([idle], new Set()), benchmarkPage([busy], new Set())];
  assert.match(first, /medians of 3 rounds; load of the machine before: 0\.0\./);
  assert.match(second, /one round; load of the machine before: 14\.4 \(\*\*busy\*\*\)\./);
  assert.match(second, /^- Not kept: MiB\/s\. The disk is why\.$/m);
  for (const { bars } of readCommitted(new URL('benchmarks/results.json', DOCS).pathname)) {
    for (const bar of bars) assert.ok(bar.pass || bar.whenMissed !== undefined, bar.name);
  }
});

test('labels are moved apart, keep their order, and stay in the chart where there is room', () => {
  const anyPlaces = fc.array(fc.double({ min: 0, max: 300, noNaN: true }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(anyPlaces, (wanted) => {
      const places = spreadApart(wanted, 16, 300);
      const order = [...wanted.keys()].sort((one, other) => (wanted[one] ?? 0) - (wanted[other] ?? 0));
      for (const [rank, index] of order.entries()) {
        const next = order[rank + 1];
        const place = places[index] ?? Number.NaN;
        assert.ok(place >= -1e-9 && place <= 300 + 1e-9);
        if (next !== undefined) assert.ok((places[next] ?? 0) - place >= 16 - 1e-9);
      }
    }),
  );
});
