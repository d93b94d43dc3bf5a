import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERROR_CODES, type ErrorCode } from '../../../src/base/errors.ts';
import { errorPage } from '../../../src/cli/error-reference.ts';
import { EXIT_CODES, exitCodeOf } from '../../../src/cli/process/exit-code.ts';

/** Seen from dist/test/cli. */
const ERRORS_PAGE = new URL('../../../../docs/errors.md', import.meta.url);

test('no failure ends with 0', () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) assert.notEqual(exitCodeOf(code), 0, code);
});

test('the exit codes that scripts rely on stay what they are', () => {
  const codes = Object.fromEntries(Object.entries(EXIT_CODES).map(([outcome, { code }]) => [outcome, code]));
  assert.deepEqual(codes, {
    ok: 0,
    failed: 1,
    usage: 2,
    notFound: 3,
    refused: 4,
    unavailable: 5,
    badData: 6,
    localIo: 7,
    incomplete: 8,
    interrupted: 130,
  });
});

test('docs/errors.md is what the code says', () => {
  const page = readFileSync(ERRORS_PAGE, 'utf8');
  assert.equal(page, errorPage());
  for (const code of Object.keys(ERROR_CODES)) assert.ok(page.includes(`| \`${code}\` |`), code);
});
