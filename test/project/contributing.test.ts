/** What CONTRIBUTING.md says holds; that its files exist is seen to by the test of links. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './examples.ts';

const PAGE = await readFile(join(ROOT, 'CONTRIBUTING.md'), 'utf8');

test('ten changes are answered, each by one file', () => {
  const section = PAGE.split(/^## /m).find((text) => text.startsWith('Which file?')) ?? '';
  const answers = [...section.matchAll(/^\| .* \| `([^`]+)` \|$/gm)].map((match) => match[1] ?? '');

  assert.equal(new Set(answers).size, 10);
  assert.deepEqual(
    answers.filter((path) => !path.endsWith('.ts')),
    [],
  );
});

test('only npm scripts that exist are named', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [...PAGE.matchAll(/\bnpm run ([\w:]+)/g)].map((match) => match[1] ?? '');

  assert.ok(named.length > 8);
  assert.deepEqual(
    named.filter((name) => !(name in scripts)),
    [],
  );
});
