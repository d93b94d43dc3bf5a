/** docs/library.md: its examples run, and it names everything that is public. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { transform } from 'esbuild';
import { codeBlocksIn } from './code-blocks.ts';
import { checkTypes, exampleFolder, ROOT, runExample } from './examples.ts';
import { served } from './served.ts';

const PAGE = await readFile(join(ROOT, 'docs/library.md'), 'utf8');
const EXAMPLES = codeBlocksIn(PAGE);

/** The types as the package ships them. */
const TYPES = join(ROOT, 'dist/src');

const EXPORT = /^export (?:type )?\{(?<names>[^}]*)\} from '\.\/(?<file>[^']+)\.ts';$/gm;

/** What an example of some heading prints. */
const OUTPUTS: readonly (readonly [heading: string, output: RegExp])[] = [
  ['A client', /^6 bytes, version \S+\n$/],
  ['Download', /^1000000 bytes, 0 of them from an earlier run$/m],
  ['Read without a file', /^70000 bytes\n$/],
  ['Upload', /^\d+ bytes are durable on the server\n$/],
  ['Trees', /^sent 100, fetched 100, 0 were there already\n$/m],
  ['Many requests at once', /^\[ 22, 22, 22 \] \[ 4, 4, 4 \]$/m],
  ['List, look, delete', /^list\/a\.txt 1\nlist\/deep\/\nlist\/deep\/b\.txt 2\n1\n$/],
  ['Errors', /^NOT_FOUND: /],
  ['Cancelling', /^CANCELLED\n$/],
  ['A server', /ready on 127\.0\.0\.1:\d+; 32 of 32 slabs are free/],
  ['On a gRPC server of your own', /^true\n$/],
  ['Metrics in a registry of your own', /^true true$/m],
  ['A store of your own', /^hello from memory\n$/],
];

test('every example is marked to be run and has right types', async (t) => {
  assert.deepEqual(
    EXAMPLES.filter(({ language, mark }) => language !== 'ts' || mark !== 'run'),
    [],
  );
  assert.equal(EXAMPLES.length, OUTPUTS.length);
  await checkTypes(t, EXAMPLES);
});

test('the examples print what they should', async (t) => {
  const { folder, env } = await exampleFolder(t);
  const address = await served(t, 'sluice', ['serve', '--writable'], { cwd: folder, env });

  for (const [heading, output] of OUTPUTS) {
    const section = PAGE.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
    const [example] = codeBlocksIn(section);
    assert.ok(example !== undefined, heading);
    const { stdout } = await runExample(t, await javaScript(example.text), address);

    assert.match(stdout, output, heading);
  }
});

/** What Node 20 takes: no types, and no `await using`. */
async function javaScript(text: string): Promise<string> {
  const { code } = await transform(text, { loader: 'ts', target: 'node20' });
  return code;
}

interface Declaration {
  name: string;
  /** The declaration of the name, as the compiler wrote it. */
  text: string;
}

/** What the package exports, from the types that the build made. */
async function declarations(): Promise<Declaration[]> {
  const found: Declaration[] = [];
  for (const entry of ['index.d.ts', 'client-library.d.ts']) {
    const page = await readFile(join(TYPES, entry), 'utf8');
    for (const { groups = {} } of page.matchAll(EXPORT)) {
      const { file = '', names = '' } = groups;
      if (file !== 'client-library')
        found.push(...declaredIn(await readFile(join(TYPES, `${file}.d.ts`), 'utf8'), names));
    }
  }
  return found;
}

/** @param names as in the braces of an export */
function declaredIn(module: string, names: string): Declaration[] {
  return names
    .split(',')
    .map((each) => {
      const name = each.replace('type ', '').trim();
      const from = module.search(
        new RegExp(`^export (?:declare )?(?:interface|class|type|const|function) ${name}\\b`, 'm'),
      );
      return { name, text: from < 0 ? '' : (module.slice(from).split(/^\}|;$/m)[0] ?? '') };
    })
    .filter(({ name }) => name !== '');
}

test('the page names everything that the package exports', async () => {
  const names = (await declarations()).map(({ name }) => name);
  const notSaid = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(PAGE));

  assert.ok(names.length > 30, names.join());
  assert.deepEqual(notSaid, []);
});

test('the page names every option', async () => {
  const options = (await declarations()).filter(({ name }) => /(?:Options|Inputs)$/.test(name));
  const notSaid = options.flatMap(({ name, text }) =>
    [...text.matchAll(/^ {4}(?:readonly )?(\w+)\?:/gm)]
      .map((match) => match[1] ?? '')
      .filter((member) => !PAGE.includes(`\`${member}\``))
      .map((member) => `${name}.${member}`),
  );

  assert.ok(options.length >= 10);
  assert.deepEqual(notSaid, []);
});
