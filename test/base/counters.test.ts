/** The table of counters, and the cells behind it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters } from '../../src/base/counters/counters.ts';

test('each counter has a name of its own in the style of Prometheus, a help text, and labels from closed sets', () => {
  const { all } = new Counters();
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const { name, type, help, labels } of all) {
    assert.match(name, /^sluice_[a-z]+(?:_[a-z]+)*$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.match(help, /^[A-Z].{15,}\.$/, name);
    assert.ok(labels.length <= 2, name);
    for (const label of labels) {
      assert.match(label.name, /^[a-z]+$/);
      assert.ok(label.values.length > 1, name);
      assert.equal(new Set(label.values).size, label.values.length, name);
    }
  }
});

test('every field of the table is among those that are exported', () => {
  const counters = new Counters();
  const fields = Object.values(counters) as unknown[];
  assert.ok(fields.length > 15);
  const exported = new Set<unknown>([...counters.all, ...counters.histograms]);
  assert.deepEqual(
    fields.filter((field) => !exported.has(field)),
    [],
  );
  assert.equal(exported.size, fields.length);
});

test('a cell holds what was added to it, and its metric shows all cells', () => {
  const { stalls, jobs } = new Counters();
  stalls.add(2, 'upload');
  stalls.add(1, 'upload');
  assert.deepEqual(
    [...stalls.samples()],
    [
      { labels: ['download'], value: 0 },
      { labels: ['upload'], value: 3 },
    ],
  );
  assert.equal(stalls.total, 3);
  assert.equal(jobs.total, 0);
});

test('a metric with two labels has a cell for each pair', () => {
  const { sentBytes } = new Counters();
  sentBytes.add(5, 'raw', 'zstd');
  sentBytes.add(3, 'wire', 'zstd');
  sentBytes.add(7, 'wire', 'identity');
  const filled = [...sentBytes.samples()].filter(({ value }) => value > 0);
  assert.deepEqual(filled, [
    { labels: ['raw', 'zstd'], value: 5 },
    { labels: ['wire', 'identity'], value: 7 },
    { labels: ['wire', 'zstd'], value: 3 },
  ]);
  assert.equal([...sentBytes.samples()].length, 2 * 4);
});

test('a number that is kept elsewhere is read when it is asked for', () => {
  const { connections, slabs } = new Counters();
  let open = 1;
  connections.observe(() => open);
  assert.equal(connections.value(), 1);
  open = 4;
  assert.deepEqual([...connections.samples()], [{ labels: [], value: 4 }]);
  slabs.observe(() => 9, 'free');
  assert.equal(slabs.total, 9);
});

test('what is not in a closed set makes no cell', () => {
  const { calls } = new Counters();
  const count = (method: string, code: string) => calls.add(1, method as 'unknown', code as 'OK');
  assert.throws(() => count('FromAPeer', 'OK'), /no cell/);
  assert.throws(() => count('unknown', '42'), /no cell/);
  assert.equal(calls.total, 0);
});
