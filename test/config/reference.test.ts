import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseConfigText } from '../../src/config/config-file.ts';
import { configurationPage, fileExample } from '../../src/config/reference.ts';
import { configSchema } from '../../src/config/schema.ts';
import { SETTINGS } from '../../src/config/settings.ts';

/** Seen from dist/test/config. */
const DOCS = new URL('../../../docs/', import.meta.url);

test('the page names the key, flag and variable of every setting', () => {
  const page = configurationPage();
  for (const { key, flag, env } of SETTINGS) {
    assert.ok(page.includes(`| \`${key}\` | \`${flag}\` | \`${env}\` |`), key);
  }
});

test('docs/configuration.md is what the schema says', () => {
  assert.equal(readFileSync(new URL('configuration.md', DOCS), 'utf8'), configurationPage());
});

test('the file on the page is a valid file of defaults', () => {
  const { values, problems } = parseConfigText(fileExample(), 'example.yaml');
  assert.deepEqual(problems, []);
  const defaults = configSchema.parse({}) as unknown as Record<string, unknown>;
  for (const { key, schema } of SETTINGS) {
    const given = values.get(key);
    const initial = key
      .split('.')
      .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], defaults);
    if (given !== undefined) assert.deepEqual(schema.parse(given.raw), initial, key);
  }
});

test('names of flags and variables are unique', () => {
  assert.equal(new Set(SETTINGS.map((each) => each.flag)).size, SETTINGS.length);
  assert.equal(new Set(SETTINGS.map((each) => each.env)).size, SETTINGS.length);
});
