import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfigText } from '../../src/config/config-file.ts';
import { settingsIn } from '../../src/config/config-text.ts';
import { writeValue } from '../../src/config/notation.ts';
import { fileExample } from '../../src/config/reference.ts';
import { SETTINGS } from '../../src/config/settings.ts';

/** What a reader of the text sees, by key. */
function readBack(text: string): Record<string, unknown> {
  const { problems, values } = parseConfigText(text, 'sluice.yaml');
  assert.deepEqual(problems, []);
  return Object.fromEntries([...values].map(([key, { raw }]) => [key, raw]));
}

test('settings go into an empty text in groups', () => {
  const text = settingsIn('', { 'pool.threads': '4', 'slab.size': '1MiB', 'slab.count': '32' });
  assert.equal(text, 'pool:\n  threads: 4\nslab:\n  size: 1MiB\n  count: 32\n');
});

test('what else stands in the text stays, comments too', () => {
  const before = '# ours\nlisten: :50051 # all of them\nslab:\n  # small\n  count: 16\ninsecure: true\n';
  assert.equal(
    settingsIn(before, { 'slab.count': '64', 'pool.threads': '1' }),
    '# ours\nlisten: :50051 # all of them\nslab:\n  # small\n  count: 64\ninsecure: true\npool:\n  threads: 1\n',
  );
});

test('no settings leave the text as it is', () => {
  assert.equal(settingsIn('slab:   {count:   16}\n', {}), 'slab:   {count:   16}\n');
});

for (const before of [
  'slab:\n  # count: 16\n',
  'slab:\n',
  'slab: {}\n',
  '# nothing\n',
  'slab: { size: 1MiB }\n',
]) {
  test(`a setting goes into ${JSON.stringify(before)}`, () => {
    assert.equal(readBack(settingsIn(before, { 'slab.count': '32' }))['slab.count'], '32');
  });
}

test('whatever is written is read back, and nothing else changes', () => {
  const numbers = SETTINGS.filter(({ meta }) => meta.range !== undefined);
  const anySettings = fc
    .uniqueArray(fc.constantFrom(...numbers), { selector: ({ key }) => key })
    .chain((chosen) =>
      fc.tuple(
        ...chosen.map(({ key, meta }) =>
          fc.integer(meta.range ?? {}).map((value): [string, string] => [key, writeValue(value, meta)]),
        ),
      ),
    );
  const before = readBack(fileExample());
  fc.assert(
    fc.property(anySettings, (entries) => {
      const settings = Object.fromEntries(entries);
      assert.deepEqual(readBack(settingsIn(fileExample(), settings)), { ...before, ...settings });
      assert.deepEqual(readBack(settingsIn('', settings)), settings);
    }),
  );
});
