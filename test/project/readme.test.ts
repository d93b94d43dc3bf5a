/**
 * Runs what README.md tells people to run, in a scratch folder with a README.md.
 * The second word of a block's fence says how: `serve` runs until the end, `run`
 * ends with 0, `file=NAME` is what others refer to, `npm` names scripts of
 * package.json, `install` is run by the test of the package. The default port
 * becomes the one that is free.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type CodeBlock, codeBlocksIn } from './code-blocks.ts';
import { userEnvironment } from './environment.ts';
import { served } from './served.ts';

const run = promisify(execFile);

/** Seen from dist/test/project. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const COMMAND = join(ROOT, 'dist/src/cli/sluice.cjs');
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');
const DEFAULT_ADDRESS = '127.0.0.1:50051';
const FREE_ADDRESS = '127.0.0.1:0';
const TIMEOUT_MS = 60_000;

const BLOCKS = codeBlocksIn(await readFile(join(ROOT, 'README.md'), 'utf8'));

/** Node 20 does not run TypeScript: a library example is checked as such and run as JavaScript. */
const LIBRARY_EXAMPLES = marked('run').filter((block) => block.language === 'ts');

function marked(mark: string): CodeBlock[] {
  return BLOCKS.filter((block) => block.mark === mark);
}

interface Scratch {
  folder: string;
  readme: Uint8Array;
  env: NodeJS.ProcessEnv;
}

/** A folder as the README has it in mind: a README.md, an installed sluice, and its command in the PATH. */
async function scratch(t: TestContext): Promise<Scratch> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-readme-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const readme = randomBytes(300_000);
  await writeFile(join(folder, 'README.md'), readme);
  await mkdir(join(folder, 'data'));
  await mkdir(join(folder, 'bin'));
  await symlink(COMMAND, join(folder, 'bin/sluice'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(ROOT, join(folder, 'node_modules/sluice'));
  await symlink(join(ROOT, 'node_modules/@types'), join(folder, 'node_modules/@types'));
  const path = [join(folder, 'bin'), join(ROOT, 'node_modules/.bin'), userEnvironment.PATH].join(delimiter);
  return { folder, readme, env: { ...userEnvironment, PATH: path, SLUICE_LISTEN: FREE_ADDRESS } };
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
  const { folder, env } = await scratch(t);
  // Without prestart: other tests are running from dist/ at this moment.
  const args = ['start', '--ignore-scripts', '--', folder, '--listen', FREE_ADDRESS];
  const address = await served(t, 'npm', args, { cwd: ROOT, env });

  const { stdout } = await run('sluice', ['ls', address], { cwd: folder, env, timeout: TIMEOUT_MS });

  assert.match(stdout, /README\.md/);
});

test('the shell examples do what they say', async (t) => {
  const { folder, readme, env } = await scratch(t);
  for (const { mark, text } of BLOCKS) {
    if (mark.startsWith('file=')) await writeFile(join(folder, mark.slice('file='.length)), text);
  }
  const [serve] = marked('serve');
  assert.ok(serve !== undefined);
  const address = await served(t, 'sh', ['-ec', serve.text], { cwd: folder, env });

  let output = '';
  for (const { text } of marked('run').filter((block) => block.language === 'sh')) {
    const script = text.replaceAll(DEFAULT_ADDRESS, address);
    const { stdout } = await run('sh', ['-ec', script], { cwd: folder, env, timeout: TIMEOUT_MS });
    output += stdout;
  }

  assert.deepEqual(await readFile(join(folder, 'copy.md')), readme);
  assert.match(output, /^identical$/m);
  assert.match(output, /"size": *"300000"/);
  assert.equal(Buffer.concat(chunksIn(output)).compare(readme), 0);
});

/** The chunks that `buf curl` printed, which are base64 in JSON. */
function chunksIn(output: string): Buffer[] {
  return [...output.matchAll(/"chunk": *"([^"]*)"/g)].map((match) =>
    Buffer.from(match[1] as string, 'base64'),
  );
}

test('the library examples have right types', async (t) => {
  const { folder } = await scratch(t);
  const names = LIBRARY_EXAMPLES.map((_, index) => `example-${index}.mts`);
  for (const [index, name] of names.entries()) {
    await writeFile(join(folder, name), (LIBRARY_EXAMPLES[index] as CodeBlock).text);
  }
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2023', '--module', 'nodenext'];

  assert.ok(names.length > 0);
  await run(process.execPath, [COMPILER, ...options, '--types', 'node', ...names], { cwd: folder });
});

test('the library examples run', async (t) => {
  for (const { text } of LIBRARY_EXAMPLES) {
    const { folder, readme, env } = await scratch(t);
    await writeFile(join(folder, 'example.mjs'), text);
    const options = { cwd: folder, env, timeout: TIMEOUT_MS };
    const { stdout } = await run(process.execPath, ['example.mjs'], options);

    assert.deepEqual(await readFile(join(folder, 'copy.md')), readme);
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
