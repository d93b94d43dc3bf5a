/**
 * `npm run bench:report`: docs/benchmarks.md and its charts from the newest
 * result of each scenario. With `--check` it writes nothing and exits with 1
 * when page or charts are not what docs/benchmarks/results.json says.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { repositoryPath } from '../harness/paths.ts';
import { reportFiles } from './report-files.ts';
import { newestOf, readCommitted, readNewest, writeResults } from './results.ts';

const DOCS = repositoryPath('docs');
const RESULTS = 'benchmarks/results.json';

const isCheck = process.argv.includes('--check');
const committed = readCommitted(join(DOCS, RESULTS));
if (isCheck) await check();
else await write();

async function check(): Promise<void> {
  const files = await reportFiles(committed);
  for (const [name, text] of files) {
    if (readOrEmpty(join(DOCS, name)) !== text) complain(`docs/${name} is not what docs/${RESULTS} says`);
  }
  for (const name of chartsThere()) {
    if (!files.has(`benchmarks/${name}`)) complain(`docs/benchmarks/${name} belongs to no result`);
  }
}

async function write(): Promise<void> {
  const found = readNewest(repositoryPath('bench/results'));
  // Through its own notation, so that the charts are drawn from what is committed, digit for digit.
  const text = writeResults(newestOf([...committed, ...found]));
  const files = await reportFiles(JSON.parse(text));
  for (const name of chartsThere()) rmSync(join(DOCS, 'benchmarks', name));
  for (const [name, content] of [...files, [RESULTS, text] as const]) {
    const path = join(DOCS, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    console.log(`docs/${name}`);
  }
}

function chartsThere(): string[] {
  try {
    return readdirSync(join(DOCS, 'benchmarks')).filter((name) => name.endsWith('.svg'));
  } catch {
    return [];
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function complain(problem: string): void {
  console.error(`${problem}; run npm run bench:report`);
  process.exitCode = 1;
}
