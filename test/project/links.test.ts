/** Links between the pages lead somewhere, and the files that pages name exist. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Seen from dist/test/project. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const LINK = /\]\(([^)\s]+)\)/g;

/** A file, or a folder with its slash, in code; pages on the architecture leave out the `src/` in front. */
const PATH = /`((?!\.)(?:[\w.-]+\/)+(?:[\w.-]+\.[a-z]+)?)`/g;

const PAGES = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...pagesIn('docs')];

function pagesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
}

/** The anchor that a heading gets on GitHub. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsIn(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1] as string));
}

function isBroken(page: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return false;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
  if (!existsSync(target)) return true;
  return anchor !== undefined && !anchorsIn(readFileSync(target, 'utf8')).includes(anchor);
}

for (const page of PAGES) {
  test(`the links of ${page} lead somewhere`, () => {
    const links = [...readFileSync(join(ROOT, page), 'utf8').matchAll(LINK)].map(
      (match) => match[1] as string,
    );

    assert.deepEqual(
      links.filter((link) => isBroken(page, link)),
      [],
    );
  });
}

test('the files that pages name exist', () => {
  const named = PAGES.filter((page) => page !== 'CHANGELOG.md').flatMap((page) =>
    [...readFileSync(join(ROOT, page), 'utf8').matchAll(PATH)].map((match) => ({
      page,
      path: match[1] ?? '',
    })),
  );

  assert.ok(named.length > 30);
  assert.deepEqual(
    named.filter(({ path }) => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, 'src', path))),
    [],
  );
});
