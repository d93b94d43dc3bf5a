/** docs/library.md: its examples run, and it names everything that is public. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { codeBlocksIn } from './code-blocks.ts';
import { checkTypes, exampleFolder, ROOT, runExample } from './examples.ts';
import { served } from './served.ts';

const PAGE = await readFile(join(ROOT, 'docs/library.md'), 'utf8');
const EXAMPLES = codeBlocksIn(PAGE);

const EXPORT = /^export (?:type )?\{(?<names>[^}]*)\} from '\.\/(?<file>[^']+)\.ts';$/gm;

/** What an example of some heading prints. */
const OUTPUTS: readonly (readonly [heading: string, output: RegExp])[] = [
  ['A client', /^6 bytes, version \S+\n$/],
  ['Download', /^1000000 bytes, 0 of them from an earlier run$/m],
  ['Read without a file', /^70000 bytes\n$/],
  ['Upload', /^\d+ bytes are durable on the server\n$/],
  ['List, look, delete', /^list\/a\.txt 1\nlist\/deep\/\nlist\/deep\/b\.txt 2\n1\n$/],
  ['Errors', /^NOT_FOUND: /],
  ['Cancelling', /^CANCELLED\n$/],
  ['A server', /ready on 127\.0\.0\.1:\d+; 32 of 32 slabs are free/],
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
    const { stdout } = await runExample(t, javaScript(example.text), address);

    assert.match(stdout, output, heading);
  }
});

/** The examples are JavaScript but for imports of types. */
function javaScript(text: string): string {
  return text.replace(/\btype \w+, /g, '').replace(/: ServerStats\b/g, '');
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
    const path = join(ROOT, 'dist/src', entry);
    for (const { groups = {} } of (await readFile(path, 'utf8')).matchAll(EXPORT)) {
      const names = (groups.names ?? '').split(',').map((each) => each.replace('type ', '').trim());
      if (groups.file === 'client-library') continue;
      const module = await readFile(join(dirname(path), `${groups.file}.d.ts`), 'utf8');
      for (const name of names.filter((each) => each !== '')) {
        const declared = new RegExp(
          `^export (?:declare )?(?:interface|class|type|const|function) ${name}\\b`,
          'm',
        );
        const from = module.search(declared);
        assert.ok(from >= 0 || name === 'Config', `${name} is declared in ${groups.file}`);
        found.push({ name, text: from < 0 ? '' : (module.slice(from).split(/^\}|;$/m)[0] ?? '') });
      }
    }
  }
  return found;
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
