/** The Dockerfile copies what there is, starts what is built, and is not root. Building it takes Docker and is not tried here. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../../support/scratch.ts';
import { runSluice } from '../../support/sluice-process.ts';
import { ROOT } from '../examples.ts';

const FOLDER = join(ROOT, 'docs/deploy/container');

interface Instruction {
  name: string;
  text: string;
}

function instructions(): Instruction[] {
  const lines = readFileSync(join(FOLDER, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ').split('\n');
  return lines
    .filter((line) => /^[A-Z]+ /.test(line))
    .map((line) => ({ name: line.slice(0, line.indexOf(' ')), text: line.slice(line.indexOf(' ') + 1) }));
}

function of(name: string): string[] {
  return instructions()
    .filter((instruction) => instruction.name === name)
    .map(({ text }) => text);
}

/** The sources of a COPY from the checkout; empty for one from another stage. */
function copied(text: string): string[] {
  if (text.startsWith('--from=')) return [];
  return text
    .split(/\s+/)
    .slice(0, -1)
    .filter((source) => source !== '.');
}

test('everything that is copied is there, and in the context', () => {
  const context = readFileSync(join(FOLDER, 'Dockerfile.dockerignore'), 'utf8');
  const sources = [
    ...of('COPY').flatMap(copied),
    ...[...context.matchAll(/^!(.+)$/gm)].map(([, name = '']) => name),
  ];

  assert.deepEqual(
    sources.filter((source) => !existsSync(join(ROOT, source))),
    [],
  );
  for (const source of of('COPY').flatMap(copied)) assert.ok(context.includes(`!${source}\n`), source);
});

test('the context holds all that the compiler reads', () => {
  const [, list = ''] =
    /"include": \[([^\]]*)\]/.exec(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')) ?? [];
  const include = [...list.matchAll(/"([^"]+)"/g)].map(([, folder = '']) => folder);
  const context = readFileSync(join(FOLDER, 'Dockerfile.dockerignore'), 'utf8');

  assert.ok(include.length > 0);
  for (const folder of include) assert.ok(context.includes(`!${folder.split('/')[0]}\n`), folder);
});

test('the image has all of the package', () => {
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
  const targets = of('COPY').map((text) => text.split(/\s+/).at(-1));

  for (const file of files.filter((name) => !name.endsWith('.md'))) assert.ok(targets.includes(file), file);
});

test('the server is not root, and is started as it is built', async (t) => {
  const users = of('USER');
  const [entry = '[]'] = of('ENTRYPOINT');
  const [command = '[]'] = of('CMD');
  const [, path = ''] = JSON.parse(entry) as string[];
  const args = JSON.parse(command) as string[];

  assert.deepEqual(users, ['10001:10001']);
  assert.ok(existsSync(join(ROOT, path.replace('/opt/sluice/', ''))), path);
  const root = scratchDirectory(t);
  const given = args.slice(1).map((arg) => (arg === '/srv/files' ? root : arg));
  const { code, stderr } = await runSluice(t, ['config', '--root', ...given]);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
});
