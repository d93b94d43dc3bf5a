/**
 * What someone gets who installs sluice: the tarball of `npm pack`, installed
 * from the registry into an empty folder, without running any install script.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { userEnvironment as env } from './environment.ts';
import { served } from './served.ts';

const run = promisify(execFile);

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
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  await run('npm', ['install', '--ignore-scripts', '--prefer-offline', join(folder, tarball.filename)], {
    cwd: folder,
    timeout: INSTALL_TIMEOUT_MS,
  });
});

after(() => rm(folder, { recursive: true, force: true }));

test('packs the compiled library, the workers, the contract and the pages, nothing else', () => {
  const expected =
    /^(?:dist\/(?:src|workers)\/.+\.(?:c?js|c?js\.map|d\.c?ts)|proto\/.+\.proto|(?:README|CHANGELOG)\.md|LICENSE|package\.json)$/;

  assert.deepEqual(
    packed.filter((path) => !expected.test(path)),
    [],
  );
  for (const path of [
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'dist/workers/main.js',
    'proto/sluice/v1/transfer.proto',
    'CHANGELOG.md',
    'LICENSE',
  ]) {
    assert.ok(packed.includes(path), `${path} is missing`);
  }
});

test('installs no native code', async () => {
  assert.deepEqual(await nativeFilesIn(join(folder, 'node_modules')), []);
});

test('a production install of the checkout has no native code', async () => {
  const checkout = join(folder, 'checkout');
  await mkdir(checkout);
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) {
    await copyFile(join(ROOT, name), join(checkout, name));
  }
  await run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--prefer-offline'], {
    cwd: checkout,
    timeout: INSTALL_TIMEOUT_MS,
  });

  assert.deepEqual(await nativeFilesIn(join(checkout, 'node_modules')), []);
});

async function nativeFilesIn(modules: string): Promise<string[]> {
  const installed = await readdir(modules, { recursive: true });
  assert.ok(installed.includes('piscina'));
  return installed.filter((path) => /\.(?:node|so|dylib|dll)$|(?:^|\/)binding\.gyp$/.test(path));
}

test('installs the command', async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const { stdout } = await run(join(folder, 'node_modules/.bin/sluice'), ['--version'], { cwd: folder });

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

test('has types that resolve and hold together', async () => {
  const consumer = join(folder, 'consumer');
  await mkdir(consumer);
  await writeFile(
    join(consumer, 'consumer.mts'),
    [
      "import { SluiceClient, SluiceServer, TransferError } from 'sluice';",
      "const client: SluiceClient = new SluiceClient('127.0.0.1:50051');",
      "const size: number = (await client.stat('model.bin')).size;",
      'const code: string | undefined = undefined as unknown instanceof TransferError ? "" : undefined;',
      '// @ts-expect-error a wrong type is seen, so what stands above is not any',
      "const wrong: string = (await client.stat('model.bin')).size;",
      'export { SluiceServer, code, size, wrong };',
    ].join('\n'),
  );
  const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node'];

  await run(process.execPath, [COMPILER, ...options, join(consumer, 'consumer.mts')], { cwd: consumer });
});

test('serves and gets a file', async (t) => {
  const command = join(folder, 'node_modules/.bin/sluice');
  const files = join(folder, 'files');
  const content = 'one line of many\n'.repeat(100_000);
  await mkdir(files);
  await writeFile(join(files, 'lines.txt'), content);
  const address = await served(t, command, ['serve', files, '--listen', '127.0.0.1:0'], { cwd: folder, env });

  const target = join(folder, 'got.txt');
  await run(command, ['get', `${address}/lines.txt`, '-o', target], { cwd: folder, env, timeout: 30_000 });

  assert.equal(await readFile(target, 'utf8'), content);
});
