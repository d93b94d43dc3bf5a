import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfigText } from '../../src/config/config-file.ts';
import { readEnvironment } from '../../src/config/environment.ts';
import { writeValue } from '../../src/config/notation.ts';
import type { SettingValue } from '../../src/config/setting-kinds.ts';
import { SETTINGS, type Setting } from '../../src/config/settings.ts';

/** Values in the range of a setting. Text has no leading or trailing space, which YAML would take away. */
function valueFor({ meta }: Setting): fc.Arbitrary<SettingValue> {
  if (meta.kind === 'flag') return fc.boolean();
  if (meta.choices !== undefined) return fc.constantFrom(...meta.choices);
  if (meta.range !== undefined) return fc.integer(meta.range);
  return fc.stringMatching(/^[a-z0-9/.][ a-z0-9/.:[\]#'"-]{0,20}[a-z0-9/]$/);
}

const assignment = fc
  .constantFrom(...SETTINGS)
  .chain((setting) => valueFor(setting).map((value) => ({ setting, value })));

test('flag, environment and file give the same value for the same text', () => {
  fc.assert(
    fc.property(assignment, ({ setting, value }) => {
      const text = writeValue(value, setting.meta);
      const yaml = `${setting.key}: ${setting.meta.kind === 'text' ? JSON.stringify(text) : text}`;
      const raws = [
        text,
        readEnvironment({ [setting.env]: text }).values.get(setting.key)?.raw,
        parseConfigText(yaml, 'x.yaml').values.get(setting.key)?.raw,
      ];
      for (const raw of raws) assert.equal(setting.schema.parse(raw), value);
    }),
  );
});
