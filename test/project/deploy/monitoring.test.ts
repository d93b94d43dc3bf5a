/** Alert rules and dashboard name metrics, labels and values that servers have. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { Counters } from '../../../src/base/counters/counters.ts';
import type { Label } from '../../../src/base/counters/metric.ts';
import { ROOT } from '../examples.ts';

const PROMTOOL = 'promtool';
const hasPromtool = spawnSync(PROMTOOL, ['--version']).status === 0;
const needsPromtool = { skip: hasPromtool ? false : `needs ${PROMTOOL}` };

const PROMETHEUS = join(ROOT, 'docs/deploy/prometheus');

const METRIC = /\b(sluice_\w+)(?:\{([^}]*)\})?/g;
const MATCHER = /(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g;
const GROUPED = /\b(?:by|on) \(([^)]*)\)/g;

/** Those that Prometheus itself adds, and that of buckets. */
const GIVEN_LABELS = ['job', 'instance', 'le', 'alertname'];

interface Rule {
  alert: string;
  expr: string;
  annotations: { summary: string; description: string };
}

interface Panel {
  title: string;
  targets?: { expr: string; legendFormat: string }[];
}

function read(path: string): string {
  return readFileSync(join(ROOT, 'docs/deploy', path), 'utf8');
}

function rules(): Rule[] {
  const { groups } = parse(read('prometheus/alerts.yaml')) as { groups: { rules: Rule[] }[] };
  return groups.flatMap((group) => group.rules);
}

function panels(): Panel[] {
  return (JSON.parse(read('grafana/sluice.json')) as { panels: Panel[] }).panels;
}

/** The labels of each metric, by all names that it has in a scrape. */
function scraped(): Map<string, readonly Label[]> {
  const counters = new Counters();
  const names = new Map<string, readonly Label[]>(counters.all.map(({ name, labels }) => [name, labels]));
  for (const { name, label } of counters.histograms) {
    for (const part of ['bucket', 'sum', 'count']) names.set(`${name}_${part}`, [label]);
  }
  return names;
}

/** What an expression or a series says that no server has. */
function unknownIn(text: string): string[] {
  const known = scraped();
  const labelNames = new Set(GIVEN_LABELS);
  const unknown: string[] = [];
  for (const [, name = '', matchers = ''] of text.matchAll(METRIC)) {
    const labels = known.get(name);
    if (labels === undefined) unknown.push(name);
    for (const label of labels ?? []) labelNames.add(label.name);
    for (const [, label = '', , value = ''] of matchers.matchAll(MATCHER)) {
      if (GIVEN_LABELS.includes(label)) continue;
      const { values = [] } = labels?.find((one) => one.name === label) ?? {};
      unknown.push(
        ...value
          .split('|')
          .filter((one) => !values.includes(one))
          .map((one) => `${name} ${label} ${one}`),
      );
    }
  }
  for (const [, group = ''] of text.matchAll(GROUPED)) {
    unknown.push(...group.split(', ').filter((label) => !labelNames.has(label)));
  }
  return unknown;
}

function promtool(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { cwd: PROMETHEUS, encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return stdout;
}

test('an unknown metric, label or value is found', () => {
  assert.deepEqual(unknownIn('rate(sluice_calls_total{code="OK", instance="a"}[5m])'), []);
  assert.deepEqual(unknownIn('sluice_calls{x="y"} + sluice_stalls_total{direction=~"upload|up"}'), [
    'sluice_calls',
    'sluice_calls x y',
    'sluice_stalls_total direction up',
  ]);
  assert.deepEqual(unknownIn('sum by (instance, kind) (sluice_stalls_total)'), ['kind']);
  assert.deepEqual(unknownIn('sluice_job_seconds'), ['sluice_job_seconds']);
});

test('alert rules are about what servers count', () => {
  for (const { alert, expr, annotations } of rules()) {
    assert.deepEqual(unknownIn(expr), [], alert);
    const shown = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
    for (const label of shown)
      assert.ok(label === 'instance' || expr.includes(String(label)), `${alert} shows ${label}`);
  }
});

test('the tests of the rules feed series that servers have, and every rule is among them', () => {
  const text = read('prometheus/alerts.test.yaml');

  assert.deepEqual(unknownIn(text), []);
  for (const { alert } of rules()) assert.ok(text.includes(alert), alert);
});

test('the page says what to do about each alert, and about no other', () => {
  const told = [...read('monitoring.md').matchAll(/^\| `Sluice.*?\|/gm)].flatMap(([cell]) =>
    [...cell.matchAll(/Sluice\w+/g)].map(([alert]) => alert),
  );

  assert.deepEqual(
    told.sort(),
    rules()
      .map(({ alert }) => alert)
      .sort(),
  );
});

test('the dashboard shows what servers count', () => {
  for (const { title, targets = [] } of panels()) {
    for (const { expr, legendFormat } of targets) {
      const plain = expr.replaceAll('instance=~"$instance"', 'instance="a"');
      assert.deepEqual(unknownIn(plain), [], title);
      for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        assert.ok(label === 'instance' || expr.includes(label), `${title} has no label ${label}`);
      }
    }
  }
});

test('promtool accepts the rules and the configuration', needsPromtool, () => {
  assert.match(promtool('check', 'config', 'prometheus.yaml'), /SUCCESS: \d+ rules found/);
});

test('the rules alert when they should', needsPromtool, () => {
  assert.match(promtool('test', 'rules', 'alerts.test.yaml'), /SUCCESS/);
});
