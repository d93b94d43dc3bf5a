/**
 * `npm run docs:generate`: writes docs/configuration.md and docs/errors.md.
 * With `--check` it writes nothing and exits with 1 when a page has drifted.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { configurationPage } from '../config/reference.ts';
import { errorPage } from './error-reference.ts';

/** Seen from dist/src/cli. */
const DOCS_FOLDER = new URL('../../../docs/', import.meta.url);

const PAGES = { 'configuration.md': configurationPage(), 'errors.md': errorPage() };

const isCheck = process.argv.includes('--check');
for (const [name, text] of Object.entries(PAGES)) {
  const file = new URL(name, DOCS_FOLDER);
  if (!isCheck) {
    writeFileSync(file, text);
  } else if (readOrEmpty(file) !== text) {
    console.error(`docs/${name} is not what the code says; run npm run docs:generate`);
    process.exitCode = 1;
  }
}

function readOrEmpty(file: URL): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
