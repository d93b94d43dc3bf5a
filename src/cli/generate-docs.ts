/**
 * `npm run docs:generate`: writes docs/configuration.md and docs/errors.md, and
 * the documented types of the configuration. With `--check` it writes nothing
 * and exits with 1 when a file has drifted.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { configTypes } from '../config/config-types.ts';
import { configurationPage } from '../config/reference.ts';
import { errorPage } from './error-reference.ts';

/** Seen from dist/src/cli. */
const ROOT = new URL('../../../', import.meta.url);

const FILES = {
  'docs/configuration.md': configurationPage(),
  'docs/errors.md': errorPage(),
  'src/config/config.ts': configTypes(),
};

const isCheck = process.argv.includes('--check');
for (const [name, text] of Object.entries(FILES)) {
  const file = new URL(name, ROOT);
  if (!isCheck) {
    writeFileSync(file, text);
  } else if (readOrEmpty(file) !== text) {
    console.error(`${name} is not what the code says; run npm run docs:generate`);
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
