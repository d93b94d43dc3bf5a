/**
 * Runs what README.md tells people to run, in a scratch folder.
 * The second word of a block's fence says how: `serve` runs until the end, `run`
 * ends with 0, `file=NAME` is what others refer to, `npm` names scripts of
 * package.json, `install` is run by the test of the package.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { patient } from '../support/until.ts';
import { type CodeBlock, codeBlocksIn } from './code-blocks.ts';
import { checkTypes, exampleFolder, ROOT, runExample, runShell } from './examples.ts';
import { served } from './served.ts';

const run = promisify(execFile);

const FREE_ADDRESS = '127.0.0.1:0';
const TIMEOUT_MS = 60_000;

const BLOCKS = codeBlocksIn(await readFile(join(ROOT, 'README.md'), 'utf8'));

const LIBRARY_EXAMPLES = marked('run').filter((block) => block.language === 'ts');

function marked(mark: string): CodeBlock[] {
  return BLOCKS.filter((block) => block.mark === mark);
}

test('says of every block how it is run', () => {
  const unmarked = BLOCKS.filter(({ mark }) => !/^(?:run|serve|npm|install|file=[\w.]+)$/.test(mark));

  assert.deepEqual(unmarked, []);
  assert.ok(BLOCKS.length > 0);
});

test('names only npm scripts that exist', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = marked('npm').flatMap(({ text }) => [...text.matchAll(/\bnpm (?:run )?([\w:]+)/g)]);

  assert.deepEqual(
    named.map((match) => match[1] as string).filter((name) => name !== 'ci' && !(name in scripts)),
    [],
  );
  assert.ok(named.length > 0);
});

test('npm start serves the directory it is given', async (t) => {
  const { folder, env } = await exampleFolder(t);
  await writeFile(join(folder, 'file.txt'), 'content');
  // Without prestart: other tests are running from dist/ at this moment.
  const args = ['start', '--ignore-scripts', '--', folder, '--listen', FREE_ADDRESS];
  const address = await served(t, 'npm', args, { cwd: ROOT, env });

  const { stdout } = await run('sluice', ['ls', address], { cwd: folder, env, timeout: patient(TIMEOUT_MS) });

  assert.match(stdout, /^file\.txt$/m);
});

test('the shell examples do what they say', async (t) => {
  const { folder, output } = await runShell(t, BLOCKS);

  const sent = await readFile(join(folder, 'numbers.txt'));
  assert.ok(sent.length > 30_000_000);
  assert.ok((await readFile(join(folder, 'copy.txt'))).equals(sent));
  assert.match(output, /^identical$/m);
  assert.match(output, /"size": *"6"/);
  assert.equal(Buffer.concat(chunksIn(output)).toString(), 'hello\n');
});

/** The chunks that `buf curl` printed, which are base64 in JSON. */
function chunksIn(output: string): Buffer[] {
  return [...output.matchAll(/"chunk": *"([^"]*)"/g)].map((match) =>
    Buffer.from(match[1] as string, 'base64'),
  );
}

test('the library examples have right types', async (t) => {
  assert.ok(LIBRARY_EXAMPLES.length > 0);
  await checkTypes(t, LIBRARY_EXAMPLES);
});

test('the library examples run', async (t) => {
  for (const { text } of LIBRARY_EXAMPLES) {
    const { folder, stdout } = await runExample(t, text);

    assert.deepEqual(await readFile(join(folder, 'demo.txt')), Buffer.alloc(300_000, 'sluice '));
    assert.match(
      stdout,
      /^300000 bytes are safe\n300000 bytes of version \S+ in \d+ ms\n4096 bytes from 1024 on\n$/,
    );
  }
});

test('the figures are those of the page of benchmarks, to the digit', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const page = await readFile(join(ROOT, 'docs/benchmarks.md'), 'utf8');
  const measured = new Set([...page.matchAll(/(?<=\| )[\d.]+(?= \|)/g)].map(([figure]) => figure));
  const compared = /^## Compared$.*?^!/ms.exec(readme)?.[0] ?? '';
  const cells = [...compared.matchAll(/^\|(?!---)[^|]*\|(.*)\|$/gm)].map((match) => match[1] ?? '');
  const figures = cells.flatMap((cell) => cell.match(/[\d.]+/g) ?? []);

  assert.ok(figures.length > 40, `${figures.length} figures`);
  assert.deepEqual(
    figures.filter((figure) => !measured.has(figure)),
    [],
  );
});

test('the bars that are not kept are told as the page tells them', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const page = await readFile(join(ROOT, 'docs/benchmarks.md'), 'utf8');
  const missed = [
    ...page.matchAll(/^\| [^|]* \| ([\d.]+) \| at (?:least|most) ([\d.]+) \| \*\*no\*\* \|$/gm),
  ];
  const told = /^\w+ bars .* are not kept.*?(?=^!)/ms.exec(readme)?.[0] ?? '';

  assert.ok(told !== '' || missed.length === 0);
  for (const [row, figure = '', bound = ''] of missed) {
    assert.ok(told.includes(figure) && new RegExp(`\\b${bound}\\b`).test(told), row);
  }
});
