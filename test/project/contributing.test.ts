/** What CONTRIBUTING.md names is there. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './examples.ts';

const PAGE = await readFile(join(ROOT, 'CONTRIBUTING.md'), 'utf8');

/** In code, with a folder in front; what the build makes may be missing. */
const PATH = /`((?:src|workers|test|docs|bench|link-emulator|proto|scripts)\/[\w./-]*)`/g;

test('every file and folder that is named exists', () => {
  const paths = [...PAGE.matchAll(PATH)]
    .map((match) => match[1] ?? '')
    .filter((path) => path !== 'bench/results');

  assert.ok(paths.length > 15, paths.join());
  assert.deepEqual(
    paths.filter((path) => !existsSync(join(ROOT, path))),
    [],
  );
});

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
