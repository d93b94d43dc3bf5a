/** Imports point one way: docs/ARCHITECTURE.md, "Layers". */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { circularImports, crowdedFolders, importsOf, sourceFiles, specifiersIn } from './imports.ts';

/** Seen from dist/test/project. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The arithmetic of bytes, without gRPC; all that engine and workers may know of the wire. */
const FRAMING = [
  'src/wire/chunk-decoder.ts',
  'src/wire/chunk-header.ts',
  'src/wire/codec.ts',
  'src/wire/crc32.ts',
  'src/wire/gzip-member.ts',
];

/** What each layer may import besides itself: layers above it in this list, or single files of them. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'src/base': [],
  'src/config': ['src/base'],
  'src/wire': ['src/base'],
  'src/compression': ['src/base'],
  'src/storage': ['src/base', 'src/wire/checked-ranges.ts', 'src/wire/crc32.ts'],
  'src/access': ['src/base', 'src/config/nearest-name.ts', 'src/config/yaml-text.ts', 'src/storage'],
  'src/engine': [
    'src/base',
    'src/compression',
    'src/storage/byte-source.ts',
    'src/storage/pack-jobs.ts',
    ...FRAMING,
  ],
  workers: ['src/base', ...FRAMING, 'src/engine/jobs/job.ts'],
  // In a browser: what of the sources needs no Node.
  page: [
    'src/base/units.ts',
    'src/wire/admin-messages.ts',
    'src/wire/admin-words.ts',
    'src/wire/told-events.ts',
  ],
  'src/flow': ['src/base', 'src/wire'],
  'src/service': [
    'src/base',
    'src/wire',
    'src/compression',
    'src/storage',
    'src/access',
    'src/engine',
    'src/flow',
  ],
  'src/admin': [
    'src/base',
    'src/config',
    'src/wire',
    'src/storage',
    'src/access',
    'src/engine',
    'src/flow',
    'src/service',
  ],
  'src/server': [
    'src/base',
    'src/config',
    'src/wire',
    'src/storage',
    'src/access',
    'src/engine',
    'src/flow',
    'src/service',
    'src/admin',
  ],
  'src/client': ['src/base', 'src/wire', 'src/compression', 'src/flow'],
  'src/client-library.ts': ['src/base', 'src/wire/messages.ts', 'src/client'],
  'src/index.ts': [
    'src/base/ranges.ts',
    'src/client-library.ts',
    'src/config',
    'src/access',
    'src/server',
    'src/storage',
    'src/wire/checked-ranges.ts',
  ],
  'src/cli': ['src/base', 'src/config', 'src/access', 'src/wire', 'src/server', 'src/client'],
};

/** Packages that one layer alone knows. */
const OWNERS: Readonly<Record<string, string>> = {
  piscina: 'src/engine',
  'node:http2': 'src/flow',
  fastify: 'src/admin',
  'prom-client': 'src/admin',
  yaml: 'src/config',
  commander: 'src/cli',
  jose: 'src/access',
  '@aws-sdk/client-s3': 'src/storage',
};

/** Side by side in one folder. */
const MAX_FILES = 20;

/** Members of grpc-js that it does not document, which make a seam private. */
const PRIVATE_MEMBERS =
  /\b(?:serializeMessage|nextCall|commonServerOptions|incomingEncoding|http2Servers)\b|\.decoder\b/;

const FILES = ['src', 'workers', 'page'].flatMap((top) => sourceFiles(ROOT, top));
const IMPORTS = FILES.flatMap((file) => importsOf(ROOT, file));

function layerOf(file: string): string | undefined {
  return Object.keys(LAYERS).find((layer) => file === layer || file.startsWith(`${layer}/`));
}

function describe({ importer, imported }: { importer: string; imported: string }): string {
  return `${importer} → ${imported}`;
}

test('reads every form of import', () => {
  const source = [
    "import { a } from 'a';",
    "import type { B } from './b.ts';",
    "import {\n  c,\n  type D,\n} from '../c.ts';",
    "import 'e';",
    "export { f } from './f.ts';",
    "const g = await import('g');",
    "const text = 'not from here';",
  ].join('\n');

  assert.deepEqual(specifiersIn(source).sort(), ['../c.ts', './b.ts', './f.ts', 'a', 'e', 'g']);
});

test('every source file belongs to a layer', () => {
  assert.deepEqual(
    FILES.filter((file) => layerOf(file) === undefined),
    [],
  );
});

test('every relative import names a file', () => {
  const missing = IMPORTS.filter(({ imported }) => imported.includes('/') && layerOf(imported) !== undefined)
    .filter(({ imported }) => !existsSync(join(ROOT, imported)))
    .map(describe);

  assert.deepEqual(missing, []);
});

test('the layers themselves are in order, so that no cycle of them can be', () => {
  const order = Object.keys(LAYERS);
  for (const [layer, allowed] of Object.entries(LAYERS)) {
    for (const other of allowed) {
      const below = layerOf(other) ?? '';
      assert.ok(order.indexOf(below) < order.indexOf(layer), `${layer} may not import ${other}`);
    }
  }
});

test('a layer imports only layers below it', () => {
  const wrong = IMPORTS.filter(({ importer, imported }) => {
    const from = layerOf(importer) ?? '';
    const to = layerOf(imported);
    const isInside = imported.startsWith('src/') || imported.startsWith('workers/');
    if (to === undefined) return isInside || /^(?:bench|test|dist|scripts)\//.test(imported);
    return to !== from && !LAYERS[from]?.includes(to) && !LAYERS[from]?.includes(imported);
  });

  assert.deepEqual(wrong.map(describe), []);
});

test('finds circles of imports', () => {
  const pairs = ['ab', 'bc', 'cb', 'cd', 'de', 'ec', 'fa', 'gg', 'hi', 'hj', 'ik', 'jk'];
  const imports = pairs.map((pair) => ({ importer: pair.charAt(0), imported: pair.charAt(1) }));

  const circular = circularImports(imports).map(({ importer, imported }) => importer + imported);

  assert.deepEqual(circular, ['bc', 'cb', 'cd', 'de', 'ec', 'gg']);
});

test('no files import each other in a circle, types included', () => {
  assert.deepEqual(circularImports(IMPORTS).map(describe), []);
});

test('no folder holds more files than one takes in', () => {
  const crowded = ['src', 'workers', 'page', 'bench', 'link-emulator', 'test'].flatMap((top) =>
    crowdedFolders(ROOT, top, MAX_FILES),
  );

  assert.deepEqual(crowded, []);
});

test('only src/server/storage.ts knows which stores stand behind the seam', () => {
  const knowing = ['src/storage/local/', 'src/storage/s3/'].flatMap((store) =>
    IMPORTS.filter(({ imported }) => imported.startsWith(store))
      .filter(({ importer }) => !importer.startsWith(store) && importer !== 'src/server/storage.ts')
      .map(describe),
  );

  assert.deepEqual(knowing, []);
});

for (const [name, owner] of Object.entries(OWNERS)) {
  test(`only ${owner} imports ${name}`, () => {
    const others = IMPORTS.filter(({ imported }) => imported === name || imported.startsWith(`${name}/`))
      .filter(({ importer }) => layerOf(importer) !== owner)
      .map(describe);

    assert.deepEqual(others, []);
  });
}

test('only src/flow touches private parts of grpc-js', () => {
  const deep = IMPORTS.filter(({ imported }) => imported.startsWith('@grpc/grpc-js/')).map(
    ({ importer }) => importer,
  );
  const naming = FILES.filter((file) => PRIVATE_MEMBERS.test(readFileSync(join(ROOT, file), 'utf8')));

  assert.deepEqual(
    [...deep, ...naming].filter((file) => layerOf(file) !== 'src/flow'),
    [],
  );
});

test('engine and workers know no gRPC', () => {
  const knowing = IMPORTS.filter(({ imported }) => imported.startsWith('@grpc/'))
    .filter(({ importer }) => ['src/engine', 'workers'].includes(layerOf(importer) ?? ''))
    .map(describe);

  assert.deepEqual(knowing, []);
});
