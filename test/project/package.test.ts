/**
 * What someone gets who installs sluice: the tarball of `npm pack`, installed
 * from the registry into an empty folder, without running any install script.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { patient } from '../support/until.ts';
import { codeBlocksIn } from './code-blocks.ts';
import { userEnvironment as env } from './environment.ts';
import { served } from './served.ts';

const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** What Node adds to what `require` of an ES module returns. */
const INTEROP_NAMES: ReadonlySet<string> = new Set(['__esModule', 'module.exports']);

/** Seen from dist/test/project. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');

const INSTALL_TIMEOUT_MS = 120_000;

let folder = '';
let packed: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-package-'));
  // Without prepack: other tests are running from dist/ at this moment.
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: ROOT,
  });
  const [tarball] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  packed = tarball.files.map((file) => file.path);
  await installAsTheReadmeSays();
  await symlink('lib/node_modules', join(folder, 'node_modules'));
});

/** The second line of the README's block; globally, but for nobody else on this machine. */
async function installAsTheReadmeSays(): Promise<void> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const block = codeBlocksIn(readme).find(({ mark }) => mark === 'install');
  const [packing = '', installing = ''] = block?.text.trim().split('\n') ?? [];
  assert.match(packing, /npm pack$/);
  assert.match(installing, /^npm install -g /);
  const npm = {
    npm_config_prefix: folder,
    npm_config_ignore_scripts: 'true',
    npm_config_prefer_offline: 'true',
  };
  await run('sh', ['-ec', installing], {
    cwd: folder,
    env: { ...env, ...npm },
    timeout: patient(INSTALL_TIMEOUT_MS),
  });
}

after(() => rm(folder, { recursive: true, force: true }));

test('packs the compiled library, the workers, the contract and the pages, nothing else', () => {
  const expected =
    /^(?:cjs\/.+\.(?:cjs|d\.cts)|dist\/(?:src|workers)\/.+\.(?:c?js|c?js\.map|d\.c?ts)|dist\/page\/[a-z]+\.(?:html|js|css|svg)|proto\/.+\.proto|(?:README|CHANGELOG)\.md|LICENSE|package\.json)$/;

  assert.deepEqual(
    packed.filter((path) => !expected.test(path)),
    [],
  );
  for (const path of [
    'cjs/index.cjs',
    'cjs/client.d.cts',
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'dist/workers/main.js',
    'dist/page/index.html',
    'dist/page/main.js',
    'proto/sluice/v1/transfer.proto',
    'CHANGELOG.md',
    'LICENSE',
  ]) {
    assert.ok(packed.includes(path), `${path} is missing`);
  }
});

test('installs no native code', async () => {
  const modules = join(folder, 'lib/node_modules');
  assert.ok(existsSync(join(modules, 'sluice/node_modules/piscina')));
  assert.deepEqual(await nativeFilesIn(modules), []);
});

test('a production install of the checkout has no native code', async () => {
  // What `npm ci --omit=dev` installs is a part of what is installed here.
  const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  const production = Object.keys(packages).filter((path) => path !== '' && packages[path]?.dev !== true);

  assert.ok(production.includes('node_modules/piscina'));
  for (const path of production) assert.deepEqual(await nativeFilesIn(join(ROOT, path)), [], path);
});

async function nativeFilesIn(modules: string): Promise<string[]> {
  const installed = await readdir(modules, { recursive: true });
  assert.ok(installed.length > 0, modules);
  return installed.filter((path) => /\.(?:node|so|dylib|dll)$|(?:^|\/)binding\.gyp$/.test(path));
}

test('installs the command', async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const { stdout } = await run(join(folder, 'bin/sluice'), ['--version'], { cwd: folder, env });

  assert.equal(stdout.trim(), version);
});

test('is the same library for import and require', async () => {
  const print = 'console.log(JSON.stringify(Object.keys(library).sort()))';
  const imported = await run(
    process.execPath,
    ['--input-type=module', '--eval', `import * as library from 'sluice'; ${print}`],
    { cwd: folder },
  );
  const required = await run(
    process.execPath,
    ['--input-type=commonjs', '--eval', `const library = require('sluice'); ${print}`],
    { cwd: folder },
  );

  const names = JSON.parse(imported.stdout) as string[];
  assert.ok(names.includes('SluiceServer') && names.includes('SluiceClient'), imported.stdout);
  // Node adds __esModule and module.exports names of its own to what require returns.
  const requiredNames = JSON.parse(required.stdout) as string[];
  assert.deepEqual(
    names.filter((name) => !requiredNames.includes(name)),
    [],
  );
});

test('has types for ES modules and CommonJS, for strict compilers, and with what they must refuse', async () => {
  const consumers = join(folder, 'consumers');
  await cp(join(ROOT, 'test/project/consumers'), consumers, { recursive: true });
  const typeRoots = [
    '--types',
    'node',
    '--typeRoots',
    join(folder, 'node_modules/sluice/node_modules/@types'),
  ];
  const options = [
    '--noEmit',
    '--strict',
    '--exactOptionalPropertyTypes',
    '--target',
    'es2023',
    ...typeRoots,
  ];
  const files = (await readdir(consumers)).map((name) => join(consumers, name));

  assert.equal(files.length, 2);
  await run(process.execPath, [COMPILER, ...options, '--module', 'node16', ...files], {
    cwd: consumers,
  });
});

test('names every value in the types for CommonJS', async () => {
  for (const name of ['index', 'client']) {
    const values = Object.keys(require(join(ROOT, `cjs/${name}.cjs`)) as object);
    const types = await readFile(join(ROOT, `cjs/${name}.d.cts`), 'utf8');
    const named = [...types.matchAll(/^export declare const (\w+)/gm)].map((match) => match[1] ?? '');

    assert.deepEqual(named.sort(), values.filter((value) => !INTEROP_NAMES.has(value)).sort());
  }
});

test('serves and gets a file', async (t) => {
  const command = join(folder, 'bin/sluice');
  const files = join(folder, 'files');
  const content = 'one line of many\n'.repeat(100_000);
  await mkdir(files);
  await writeFile(join(files, 'lines.txt'), content);
  const address = await served(t, command, ['serve', files, '--listen', '127.0.0.1:0'], { cwd: folder, env });

  const target = join(folder, 'got.txt');
  await run(command, ['get', `${address}/lines.txt`, '-o', target], {
    cwd: folder,
    env,
    timeout: patient(30_000),
  });

  assert.equal(await readFile(target, 'utf8'), content);
});
